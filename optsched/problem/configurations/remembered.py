"""Ways to run kinds of jobs, kept from one round to the next one of the same cluster."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from optsched._util.arrays import IntArray, offsets
from optsched.instance import Cluster, Instance, Job
from optsched.instance.pools import Pool
from optsched.prediction.curves import Curve
from optsched.problem.configurations.enumerate import enumerate_configurations
from optsched.problem.configurations.kinds import kind
from optsched.problem.configurations.table import ConfigurationColumns, stacked

__all__ = ["Remembered"]

_MOST = 3000
"""Kinds that are remembered."""

_Found = tuple[ConfigurationColumns, IntArray, tuple[str, ...]]


@dataclass
class Remembered:
    """Ways of kinds of jobs; a kind names its curves by their identity, so that another curve is another kind.

    ways
        Of each kind, and why there are none.
    curves
        All curves that kinds name, by their identity, which is theirs as long as they are kept here.
    last
        The kinds that were asked for last, and the answer.
    """

    cluster: Cluster | None = None
    ways: dict[Hashable, tuple[ConfigurationColumns, str]] = field(default_factory=dict)
    curves: dict[int, Curve] = field(default_factory=dict)
    last: tuple[list[Hashable], _Found] | None = None

    def enumerated(self, jobs: Sequence[Job], instance: Instance, everywhere: Sequence[Pool]) -> _Found:
        """Return what :func:`enumerate_configurations` returns, of which new kinds alone are evaluated."""
        if self.cluster is not instance.cluster or len(self.ways) > _MOST:
            self.ways.clear()
            self.curves.clear()
        self.cluster = instance.cluster
        keys = [self._key(job, instance) for job in jobs]
        if self.last is not None and self.ways and self.last[0] == keys:
            return self.last[1]
        new = [(key, job) for key, job in zip(keys, jobs, strict=True) if key not in self.ways]
        if new:
            columns, first, reasons = enumerate_configurations([job for _, job in new], instance, everywhere)
            for number, ((key, _), reason) in enumerate(zip(new, reasons, strict=True)):
                own = np.arange(first[number], first[number + 1])
                self.ways[key] = columns.take(own), reason
        parts = [self.ways[key] for key in keys]
        count = [len(part) for part, _ in parts]
        found = stacked([part for part, _ in parts]), offsets(count), tuple(reason for _, reason in parts)
        self.last = keys, found
        return found

    def _key(self, job: Job, instance: Instance) -> Hashable:
        own = [instance.curves[name] for name in job.curves.values()]
        self.curves.update((id(curve), curve) for curve in own)
        return instance.decides, kind(job), tuple(map(id, own))
