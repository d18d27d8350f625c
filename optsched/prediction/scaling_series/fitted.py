"""What a fit of scaling series keeps: its rows, and how far its intervals reach."""

from __future__ import annotations

import msgspec

from optsched.prediction.curves.base import Name, NonNegative, Positive, PositiveInt

__all__ = ["Measured", "ScalingSeries", "System"]


class System(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One system that trains a benchmark.

    accelerator, machine
        Type of its accelerators, and what systems that differ by size alone have in common; empty where not known.
    accelerators
        Number of them.
    global_batch
        Examples per step.
    """

    benchmark: Name
    accelerators: PositiveInt
    global_batch: Positive
    submitter: str = ""
    round: str = ""
    accelerator: str = ""
    machine: str = ""


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A system, its minutes to the quality, and its examples/s where they are known and agree with the minutes."""

    system: System
    minutes: Positive
    throughput: Positive | None = None


class ScalingSeries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fit of minutes to quality.

    stretch
        Factor on the standard deviation of predictions, from the largest size of each series predicted from the rest.
    unseen_error
        Median absolute percentage error of those predictions; None where no series has three sizes.
    series
        Number of them.
    """

    rows: tuple[Measured, ...]
    stretch: Positive
    unseen_error: NonNegative | None
    series: int
