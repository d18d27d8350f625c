"""Labels of listed configurations, as they come back in allocations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from optsched.instance.records import Configuration
from optsched.instance.solution import Allocation

__all__ = ["configuration_of", "labelled"]


class _Lists(Protocol):
    """A job, as far as its list of configurations goes."""

    @property
    def configurations(self) -> tuple[Configuration, ...]: ...


def configuration_of(job: _Lists, a: Allocation) -> Configuration | None:
    """Return the listed configuration that an allocation stands for; None for a job of curves.

    Of configurations with equal counts it is the one whose throughput is nearest.
    """
    match = [
        c
        for c in job.configurations
        if (c.gpu_type, c.gpus, c.servers, c.accumulation) == (a.gpu_type, a.gpus, a.servers, a.accumulation)
        and c.site in (None, a.site)
        and c.nodes in (None, a.nodes)
        and c.local_batch in (None, a.local_batch)
    ]
    return min(match, key=lambda c: abs(c.throughput - a.throughput), default=None)


def labelled(jobs: Mapping[str, _Lists], allocations: Iterable[Allocation]) -> tuple[Allocation, ...]:
    """Return allocations with the labels of the configurations that they stand for."""
    found = []
    for a in allocations:
        job = jobs[a.job]
        named = any(c.label for c in job.configurations)
        closest = configuration_of(job, a) if named else None
        found.append(a if closest is None else msgspec.structs.replace(a, label=closest.label))
    return tuple(found)
