"""Records of the rules of shared clusters: priority classes, aging, quotas."""

from __future__ import annotations

import msgspec

from optsched.prediction.curves.base import Count, Name, NonNegative, Positive

__all__ = ["Aging", "PriorityClass", "Quota"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of the records of rules."""


class PriorityClass(_Record, frozen=True):
    """A class of jobs that comes strictly before the classes after it.

    preempts
        Whether its jobs may take GPUs from running jobs of lower classes. If not, as many of those as possible keep
        what they hold before the class is served.
    """

    id: Name
    preempts: bool = True


class Aging(_Record, frozen=True):
    """A job rises by one class for every ``every_s`` seconds since its arrival, by ``most`` classes at most."""

    every_s: Positive
    most: Count | None = None


class Quota(_Record, frozen=True):
    """GPUs that a tenant, with all tenants below it, may use.

    nominal
        Its own GPUs.
    gpu_type
        None: GPUs of all types together.
    borrow
        Most that it may use beyond its nominal GPUs; None: any number that the others lend.
    lend
        Most of its nominal GPUs that its siblings may use; None: all.
    """

    nominal: NonNegative
    gpu_type: Name | None = None
    borrow: NonNegative | None = None
    lend: NonNegative | None = None
