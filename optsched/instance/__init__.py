"""The problem: frozen records, their validation, and their file format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from optsched.errors import InputError
from optsched.files import decode, read_bytes, write_json
from optsched.instance.model import (
    Cluster,
    Configuration,
    Efficiency,
    GpuType,
    Holding,
    Instance,
    Job,
    Limit,
    Link,
    ObjectiveSpec,
    ParameterServers,
    Reference,
    ServerGroup,
    Site,
    Tenant,
)
from optsched.instance.network import link_graph
from optsched.instance.validate import validate

__all__ = [
    "Cluster",
    "Configuration",
    "Efficiency",
    "GpuType",
    "Holding",
    "Instance",
    "Job",
    "Limit",
    "Link",
    "ObjectiveSpec",
    "ParameterServers",
    "Reference",
    "ServerGroup",
    "Site",
    "Tenant",
    "fingerprint",
    "link_graph",
    "load",
    "loads",
    "save",
    "validate",
]


def load(path: Path | str) -> Instance:
    """Read and validate an instance file; raise InputError where it is wrong."""
    return loads(read_bytes(path), file=str(path))


def loads(content: bytes | str, file: str = "") -> Instance:
    """Read and validate an instance from JSON; ``file`` is the name for errors."""
    raw = content.encode() if isinstance(content, str) else content
    instance = decode(raw, Instance, file)
    try:
        return validate(instance)
    except InputError as error:
        raise error.within(file=file) from None


def save(instance: Instance, path: Path | str) -> None:
    """Write an instance file, whole or not at all."""
    write_json(path, instance)


_PLAIN = {bool, float, int, str, type(None)}
_BLOCK = 1024
"""Records at a time, which stay in the cache."""


def fingerprint(instance: Instance) -> str:
    """Return a hash of everything that the instance says: equal instances, equal hashes."""
    return hashlib.sha256(msgspec.json.encode(_canonical((instance,)), order="deterministic")).hexdigest()[:16]


def _canonical(values: Sequence[Any]) -> Sequence[Any]:
    """Return values with all fields of records, also those at their default, column by column: there may be many."""
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return values
    kind = kinds.pop()
    if not kinds and issubclass(kind, msgspec.Struct):
        if len(values) > _BLOCK:
            return [_canonical(values[k : k + _BLOCK]) for k in range(0, len(values), _BLOCK)]
        columns = zip(*map(msgspec.structs.astuple, values), strict=True)
        return [kind.__name__, *map(_canonical, columns)]
    if not kinds and kind is dict and set(map(type, chain.from_iterable(map(dict.values, values)))) <= _PLAIN:
        return values
    if not kinds and kind is tuple and set(map(type, chain.from_iterable(values))) <= _PLAIN:
        return values
    return [_one(value) for value in values]


def _one(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _one(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return _canonical(value)
    return _canonical((value,)) if isinstance(value, msgspec.Struct) else value
