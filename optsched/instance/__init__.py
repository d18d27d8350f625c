"""The problem: frozen records, their validation, and their file format."""

from __future__ import annotations

from pathlib import Path

from optsched._util.files import write_json
from optsched.instance.admission import admit, admit_all, load, loads, trust
from optsched.instance.hashing import fingerprint
from optsched.instance.network import link_graph
from optsched.instance.records import (
    Aging,
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
    ParallelismPlan,
    ParameterServers,
    PriorityClass,
    Quota,
    Reference,
    ServerGroup,
    Site,
    Tenant,
)
from optsched.instance.validate import validate

__all__ = [
    "Aging",
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
    "ParallelismPlan",
    "ParameterServers",
    "PriorityClass",
    "Quota",
    "Reference",
    "ServerGroup",
    "Site",
    "Tenant",
    "admit",
    "admit_all",
    "fingerprint",
    "link_graph",
    "load",
    "loads",
    "save",
    "trust",
    "validate",
]


def save(instance: Instance, path: Path | str) -> None:
    """Write an instance file, whole or not at all."""
    write_json(path, instance)
