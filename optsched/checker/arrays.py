"""Check a plan of a table of values: the arrays as they were given, and nothing of the engine that decided.

It reads the chosen rows one job after the other from the caller's own arrays, and shares no code with
:func:`optsched.solve_table` but the record of a limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray, IntArray
from optsched.checker.recompute import TOLERANCE
from optsched.checker.violation import Violation
from optsched.instance.arrays import LinearLimit

__all__ = ["TableReport", "check_table"]


@dataclass(frozen=True)
class TableReport:
    """What the checker found of a plan of a table.

    violations
        Each rule that the plan breaks, and who breaks it.
    value
        The sum of the values of the chosen rows, less what restarts cost.
    used
        What the plan takes of each resource, shape ``(resources,)``.
    moves
        Jobs that held something and do not keep it.
    """

    violations: tuple[Violation, ...]
    value: float
    used: FloatArray
    moves: int

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations


def check_table(
    rows: ArrayLike,
    value: ArrayLike,
    pool: ArrayLike | None = None,
    gpus: ArrayLike | None = None,
    capacity: ArrayLike = (),
    *,
    job: ArrayLike | None = None,
    uses: Any = None,
    required: ArrayLike = False,
    current: ArrayLike | None = None,
    restart_cost: ArrayLike = 0.0,
    max_moves: int | None = None,
    limits: Sequence[LinearLimit] = (),
    claimed: float | None = None,
) -> TableReport:
    """Check the rows that a plan chooses against the arrays that :func:`optsched.solve_table` takes.

    Parameters
    ----------
    rows
        The chosen row of each job, as in ``TableResult.rows``.
    claimed
        The value that the plan claims; None: it claims none.
    """
    rows, worth, limit = np.asarray(rows), np.asarray(value, dtype=np.float64), np.asarray(capacity, dtype=np.float64)
    own = None if job is None else np.asarray(job)
    columns = worth.shape[1] if worth.ndim == 2 else None
    violations, place = _places(rows, worth, own)
    runs = np.flatnonzero(place >= 0)
    chosen = place[runs]
    values = worth.ravel()[chosen]
    violations += [Violation("value", f"job {runs[k]}", "its row is no way to run it") for k in _wrong(values)]
    used = np.zeros(len(limit))
    if pool is not None:
        pools, amounts = _of(pool, chosen, columns), _of(1.0 if gpus is None else gpus, chosen, columns)
        for number in range(len(limit)):
            used[number] += amounts[pools == number].sum()
    if uses is not None:
        used += _uses(uses, chosen, columns, worth, len(limit))
    for number in np.flatnonzero(~(used <= limit + TOLERANCE * np.maximum(1e-9, np.abs(limit)))).tolist():
        how = f"{used[number]:.9g} of {limit[number]:.9g} are used"
        violations.append(Violation("capacity", f"resource {number}", how))
    must = np.broadcast_to(np.asarray(required, dtype=bool), len(rows))
    violations += [Violation("required", f"job {j}", "must run") for j in np.flatnonzero(must & (place < 0)).tolist()]
    total, moves = float(values.sum()), 0
    if current is not None:
        before = np.asarray(current)
        holds, stays = before >= 0, (before >= 0) & (rows == before)
        moves = int(holds.sum() - stays.sum())
        cost = np.broadcast_to(np.asarray(restart_cost, dtype=np.float64), len(rows))
        total -= float(cost[holds & ~stays & (place >= 0)].sum())
    if max_moves is not None and moves > max_moves:
        violations.append(Violation("max-moves", "plan", f"{moves} jobs move, and {max_moves} may"))
    violations += _limits(limits, chosen, columns)
    if claimed is not None and abs(claimed - total) > TOLERANCE * max(1e-9, abs(total)):
        violations.append(Violation("claimed-value", "plan", f"{claimed:.9g} is claimed, and {total:.9g} is true"))
    return TableReport(tuple(violations), total, used, moves)


def _places(rows: Any, worth: FloatArray, own: Any) -> tuple[list[Violation], IntArray]:
    """Return each job's place in the flat values, -1 for none, and what is no row of its job."""
    size = worth.shape[1] if worth.ndim == 2 else len(worth)
    within = (rows >= 0) & (rows < size)
    wrong = (rows < -1) | (rows >= size)
    if worth.ndim == 2:
        place = np.where(within, np.arange(len(rows)) * size + rows, -1)
    else:
        place = np.where(within, rows, -1)
        foreign = within & (own[np.where(within, rows, 0)] != np.arange(len(rows)))
        wrong, place = wrong | foreign, np.where(foreign, -1, place)
    found = [Violation("row", f"job {j}", f"row {rows[j]} is none of its own") for j in np.flatnonzero(wrong).tolist()]
    return found, place.astype(np.int64)


def _wrong(values: FloatArray) -> list[int]:
    return list(np.flatnonzero(~np.isfinite(values)).tolist())


def _of(array: ArrayLike, chosen: IntArray, columns: int | None) -> FloatArray:
    """Return an array's entries of the chosen places: one of each row, of each column, or one of all."""
    given = np.asarray(array)
    if given.ndim == 0:
        return np.full(len(chosen), float(given))
    if columns is not None and given.ndim == 1:
        return np.asarray(given[chosen % columns], dtype=np.float64)
    return np.asarray(given.ravel()[chosen], dtype=np.float64)


def _uses(uses: Any, chosen: IntArray, columns: int | None, worth: FloatArray, resources: int) -> FloatArray:
    """Return what the chosen places take by ``uses``, shape ``(resources,)``."""
    if isinstance(uses, tuple):
        row, resource, amount = (np.asarray(part) for part in uses)
        taken, held = np.zeros(resources), np.zeros(worth.size, dtype=bool)
        held[chosen] = True
        np.add.at(taken, resource[held[row]], amount[held[row]])
        return taken
    if hasattr(uses, "tocsr"):
        return np.asarray(uses.tocsr()[chosen].sum(axis=0), dtype=np.float64).ravel()
    given = np.asarray(uses, dtype=np.float64)
    if columns is not None and given.ndim == 2 and len(given) == columns:
        return np.asarray(given[chosen % columns].sum(axis=0))
    return np.asarray(given.reshape(-1, resources)[chosen].sum(axis=0))


def _limits(limits: Sequence[LinearLimit], chosen: IntArray, columns: int | None) -> Iterator[Violation]:
    for number, limit in enumerate(limits):
        true = float(_of(limit.amount, chosen, columns).sum())
        slack = TOLERANCE * max(abs(true), 1e-9)
        if limit.at_least is not None and true < limit.at_least - slack:
            yield Violation("limit", f"limit {number}", f"is {true:.9g}, and must be at least {limit.at_least:.9g}")
        if limit.at_most is not None and true > limit.at_most + slack:
            yield Violation("limit", f"limit {number}", f"is {true:.9g}, and must be at most {limit.at_most:.9g}")
