"""Tables made from tables: some of the rows, or more resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets, positions, stretches
from optsched.problem.configurations.table import Configurations

__all__ = ["repeated", "same_rows", "some_rows", "with_resource", "with_resources"]


def some_rows(table: Configurations, keep: NDArray[np.bool_], reason: str) -> Configurations:
    """Return a table of some rows, ``keep`` of shape ``(n,)``; jobs that lose their last one wait for ``reason``."""
    row, resource, amount = table.used
    place = positions(np.flatnonzero(keep), len(table))[row]
    inside = place >= 0
    job = table.job[keep]
    count = np.bincount(job, minlength=table.jobs)
    reasons = dict.fromkeys(np.flatnonzero((count == 0) & (np.diff(table.first) > 0)).tolist(), reason)
    return replace(
        table,
        job=job,
        columns=table.columns.take(keep),
        kept=table.kept[keep],
        share=table.share[keep],
        slowest=table.slowest[keep],
        stand=None if table.stand is None else table.stand[keep],
        first=offsets(count),
        used=(place[inside], resource[inside], amount[inside]),
        reasons={**table.reasons, **reasons},
    )


def same_rows(table: Configurations, other: Configurations, rows: IntArray) -> IntArray:
    """Return which rows of a table the named rows of another one are, -1 for none of them, shape of ``rows``."""
    found = np.full(len(rows), -1)
    for number, row in enumerate(rows.tolist()):
        job = other.job[row]
        own = np.arange(table.first[job], table.first[job + 1])
        mine, wanted = table.columns.take(own), other.columns.take(np.array([row]))
        alike = table.kept[own] == other.kept[row]
        if table.stand is not None and other.stand is not None:
            alike &= table.stand[own] == other.stand[row]
        for field in fields(mine):
            have, want = getattr(mine, field.name), getattr(wanted, field.name)
            alike &= (have == want) | (np.isnan(have) & np.isnan(want))
        if alike.any():
            found[number] = own[np.argmax(alike)]
    return found


def repeated(table: Configurations, rows: IntArray) -> Configurations:
    """Return a table of the named rows, which may be named more than once; jobs stay in order."""
    start, resource, amount = table.used_by_row
    count = np.diff(start)[rows]
    entry = stretches(start[rows], count)
    job = table.job[rows]
    return replace(
        table,
        job=job,
        columns=table.columns.take(rows),
        kept=table.kept[rows],
        share=table.share[rows],
        slowest=table.slowest[rows],
        stand=None if table.stand is None else table.stand[rows],
        first=offsets(np.bincount(job, minlength=table.jobs)),
        used=(np.repeat(np.arange(len(rows)), count), resource[entry], amount[entry]),
    )


def with_resource(table: Configurations, name: str, amount: FloatArray, capacity: float) -> Configurations:
    """Return a table with one more resource, of which each row takes an amount, shape ``(n,)``.

    A negative amount is given, and a negative capacity a floor: ``sum of amounts <= capacity``.
    """
    some: IntArray = np.flatnonzero(amount)
    return with_resources(table, [(name, some, amount[some], capacity)])


def with_resources(table: Configurations, more: Sequence[tuple[str, IntArray, FloatArray, float]]) -> Configurations:
    """Return a table with more resources: of each its name, the rows that take of it, their amounts, its capacity."""
    row, resource, amount = table.used
    first = len(table.capacity)
    numbers = np.repeat(np.arange(first, first + len(more)), [len(rows) for _, rows, _, _ in more])
    used = (
        np.concatenate([row, *(rows for _, rows, _, _ in more)]),
        np.concatenate([resource, numbers]),
        np.concatenate([amount, *(amounts for _, _, amounts, _ in more)]),
    )
    return replace(
        table,
        used=used,
        capacity=np.append(table.capacity, [capacity for *_, capacity in more]),
        resource_names=(*table.resource_names, *(name for name, *_ in more)),
    )
