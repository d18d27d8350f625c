"""Goodputs that were computed for one instance, for the next one of the same cluster."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from optsched.instance import Cluster, Instance
from optsched.prediction.curves import Curve

__all__ = ["Memory"]

_MOST = 10_000
"""Numbers that are remembered."""


@dataclass
class Memory:
    """What checks of rounds share: the goodputs that kinds of jobs are measured by.

    A kind names its curves, and the configurations that its job lists, by their identity, so that another curve of the
    same name is another kind.

    goodputs
        By the base and the kind.
    named
        All curves and lists of configurations that kinds name, by their identity, which is theirs as long as they are
        kept here.
    """

    cluster: Cluster | None = None
    goodputs: dict[Hashable, float] = field(default_factory=dict)
    named: dict[int, object] = field(default_factory=dict)

    def of(self, instance: Instance) -> Memory:
        """Return the memory for an instance, emptied where that has another cluster."""
        if self.cluster is not instance.cluster or len(self.goodputs) > _MOST:
            self.goodputs.clear()
            self.named.clear()
        self.cluster = instance.cluster
        return self

    def identities(self, names: tuple[str, ...], curves: dict[str, Curve]) -> tuple[int, ...]:
        """Return what tells curves apart."""
        return tuple(self.identity(curves[name]) for name in names)

    def identity(self, value: object) -> int:
        """Return what tells a value apart from all others that were named; far sooner than a hash of what it holds."""
        self.named[id(value)] = value
        return id(value)
