"""Objects of Kubernetes in files: what ``kubectl get -o json`` or ``-o yaml`` prints, alone or in a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from optsched._util.files import read_bytes
from optsched.errors import InputError

__all__ = ["by_kind", "gpus_of_pod", "label", "read_objects"]

MOST_BYTES = 2_000_000_000
"""The most that is taken out of a zip."""
KINDS = {
    "pods": "Pod",
    "nodes": "Node",
    "queues": "Queue",
    "podGroups": "PodGroup",
    "priorityClasses": "PriorityClass",
    "workloads": "Workload",
    "clusterQueues": "ClusterQueue",
    "localQueues": "LocalQueue",
    "resourceFlavors": "ResourceFlavor",
    "topologies": "Topology",
    "cohorts": "Cohort",
}
"""The kind of the objects in a list of a snapshot, which do not name it themselves, by the list's name."""
Object = dict[str, Any]


def read_objects(paths: Sequence[Path | str]) -> list[Object]:
    """Return all objects of files; raise InputError for what holds none."""
    found: list[Object] = []
    for path in paths:
        content = read_bytes(path)
        if zipfile.is_zipfile(io.BytesIO(content)):
            found += _zipped(content, str(path))
        else:
            found += _parsed(content, str(path))
    return found


def _zipped(content: bytes, file: str) -> Iterator[Object]:
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if not entry.filename.endswith((".json", ".yaml", ".yml")):
                    continue
                if (left := left - entry.file_size) < 0:
                    raise InputError(f"at most {MOST_BYTES} bytes", file=file)
                yield from _parsed(archive.read(entry), f"{file}: {entry.filename}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise InputError(f"a zip that can be read ({error})", file=file) from None


def _parsed(content: bytes, file: str) -> list[Object]:
    try:
        documents = [msgspec.json.decode(content)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        documents = _yaml(content, file, str(fault))
    found = [one for document in documents for one in _objects(document, "")]
    if not found and not any(isinstance(document, Mapping) for document in documents):
        raise InputError("objects of Kubernetes", file=file)
    return found


def _yaml(content: bytes, file: str, fault: str) -> list[Any]:
    try:
        import yaml
    except ImportError:
        raise InputError(f"JSON ({fault}); YAML needs the packages of optsched[kueue]", file=file) from None
    try:
        return list(yaml.load_all(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"JSON or YAML ({' '.join(str(error).split())[:200]})", file=file) from None


def _objects(value: Any, kind: str) -> Iterator[Object]:
    """Return the objects in a document: it itself, the items of a list, or those in the lists of a snapshot."""
    if isinstance(value, list):
        for one in value:
            yield from _objects(one, kind)
    elif isinstance(value, Mapping):
        if isinstance(value.get("items"), list) and str(value.get("kind", "List")).endswith("List"):
            of = str(value.get("kind", "List")).removesuffix("List")
            yield from _objects(value["items"], of or kind)
        elif isinstance(value.get("metadata"), Mapping) and (value.get("kind") or kind):
            yield {"kind": kind, **value}
        else:
            for name, inner in value.items():
                if name in KINDS:
                    yield from _objects(inner, KINDS[name])
                elif name == "rawObjects":
                    yield from _objects(inner, "")


def by_kind(objects: Sequence[Object]) -> dict[str, list[Object]]:
    """Return objects by their kind."""
    found: dict[str, list[Object]] = {}
    for one in objects:
        found.setdefault(str(one["kind"]), []).append(one)
    return found


def label(one: Object, name: str) -> str:
    """Return a label or an annotation; empty where there is none."""
    meta = one.get("metadata") or {}
    for where in ("labels", "annotations"):
        if name in (meta.get(where) or {}):
            return str(meta[where][name])
    return ""


def gpus_of_pod(spec: Mapping[str, Any], resource: str) -> int:
    """Return how many GPUs a pod asks for.

    Raises
    ------
    InputError
        For what is no whole number.
    """
    total = 0
    for container in spec.get("containers") or ():
        asked = (container.get("resources") or {}) if isinstance(container, Mapping) else {}
        text = str({**(asked.get("limits") or {}), **(asked.get("requests") or {})}.get(resource, 0))
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise InputError("a whole number of GPUs", path=resource, value=repr(text))
        total += int(text)
    return total
