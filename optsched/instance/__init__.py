"""The problem: frozen records, their validation, and their file format."""

from __future__ import annotations

import hashlib
from pathlib import Path

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


def fingerprint(instance: Instance) -> str:
    """Return a hash of everything that the instance says: equal instances, equal hashes."""
    return hashlib.sha256(repr(_canonical(instance)).encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    """Return a value as nested tuples: all fields, also those at their default, and dictionaries by their keys."""
    if isinstance(value, msgspec.Struct):
        return type(value).__name__, *map(_canonical, msgspec.structs.astuple(value))
    if isinstance(value, dict):
        return tuple((key, _canonical(value[key])) for key in sorted(value))
    return tuple(map(_canonical, value)) if isinstance(value, tuple | list) else value
