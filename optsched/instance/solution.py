"""A solution: who holds what, with the numbers that it claims."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import msgspec

from optsched.prediction.curves.base import Count, Name, PositiveInt

__all__ = ["Allocation", "Record", "Waiting", "allocations_hash"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of all records of the solution file."""


class Allocation(Record, frozen=True, kw_only=True):
    """What one job holds.

    nodes
        Servers that its GPUs are spread over.
    servers
        Parameter servers; in files the key ``parameter_servers``.
    gbps
        Network rate assigned to each node, or to each worker and parameter server; None: not decided, or none needed.
    placement, server_placement
        GPUs, and parameter servers, on each named server (``group`` or ``group/number``); None: not decided.
    label
        The name that a user gave to the configuration; empty without one.
    throughput
        Examples/s while it trains, by the true curve.
    progress
        Goodput, net of what a restart loses of the round, over the job's reference goodput.
    """

    former_keys: ClassVar = {"servers": "parameter_servers"}

    job: Name
    site: Name
    gpu_type: Name
    gpus: PositiveInt
    nodes: PositiveInt
    servers: Count = msgspec.field(default=0, name="parameter_servers")
    local_batch: float | None = None
    accumulation: PositiveInt = 1
    gbps: float | None = None
    placement: dict[Name, PositiveInt] | None = None
    server_placement: dict[Name, PositiveInt] | None = None
    label: str = ""
    throughput: float
    progress: float


class Waiting(Record, frozen=True, kw_only=True):
    """A job that gets nothing, and why, where that is known."""

    job: Name
    reason: str = ""


def allocations_hash(allocations: tuple[Allocation, ...]) -> str:
    """Return a hash of who holds what."""
    return hashlib.sha256(msgspec.json.encode(allocations, order="deterministic")).hexdigest()[:16]
