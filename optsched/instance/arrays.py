"""Tables of values as arrays: the way in for those who have values and no records of clusters and jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optsched._util.arrays import FloatArray, IntArray, offsets
from optsched.errors import InputError, shown

__all__ = ["LinearLimit", "ValueArrays", "read_arrays"]

_MOST = 1e100
"""Sums and products of numbers up to this one are finite."""

Entries = tuple[IntArray, IntArray, FloatArray]


@dataclass(frozen=True)
class LinearLimit:
    """A limit on the sum of some amount over the chosen rows.

    amount
        Of each row: of the shape of ``value``, or ``(ways,)`` for a matrix of values, or one number.
    at_least, at_most
        Bounds of the sum; at least one of them.
    """

    amount: ArrayLike
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class ValueArrays:
    """A table of values that is known to be valid, row after row, the rows of a job one after the other.

    value
        Of each way that there is, less what a restart costs there: shape ``(n,)``.
    first
        Shape ``(jobs + 1,)``.
    used
        What rows take, as coordinates: (row, resource, amount) arrays.
    capacity, required
        Shapes ``(resources,)`` and ``(jobs,)``.
    kept
        Whether a row is what its job holds now, shape ``(n,)``.
    held
        Number of jobs that hold something, a row of the table or not.
    limits
        The amount of each row, shape ``(n,)``, and the bounds of each limit.
    number
        The row's name for the caller, its column of a matrix, shape ``(n,)``; None: its place here.
    """

    value: FloatArray
    first: IntArray
    used: Entries
    capacity: FloatArray
    required: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    held: int
    limits: tuple[tuple[FloatArray, float | None, float | None], ...]
    number: IntArray | None


@dataclass(frozen=True)
class _Shape:
    """How the caller's rows stand: ``rows`` are the places of the rows that there are, in order; None: all of them."""

    size: int
    columns: int | None
    rows: IntArray | None

    def of(self, array: ArrayLike, path: str, kind: type = np.float64) -> NDArray[Any]:
        """Return one entry for each row: from one for each row, one for each column, or one for all."""
        given = _numbers(array, path)
        if given.ndim == 0:
            return np.full(self.size if self.rows is None else len(self.rows), given, dtype=kind)
        whole = (self.size,) if self.columns is None else (self.size // max(1, self.columns), self.columns)
        if self.columns is not None and given.shape == (self.columns,) and given.shape != whole:
            given = np.broadcast_to(given, whole)
        elif given.shape != whole:
            raise InputError(f"a number, or an array of shape {whole}", path=path, value=f"shape {given.shape}")
        flat = given.reshape(-1)
        return np.asarray(flat if self.rows is None else flat[self.rows], dtype=kind)


def read_arrays(
    value: ArrayLike,
    pool: ArrayLike | None,
    gpus: ArrayLike | None,
    capacity: ArrayLike,
    *,
    job: ArrayLike | None,
    uses: Any,
    required: ArrayLike,
    current: ArrayLike | None,
    restart_cost: ArrayLike,
    max_moves: int | None,
    limits: Sequence[LinearLimit],
) -> ValueArrays:
    """Return the table of the arrays that :func:`optsched.solve_table` takes.

    Raises
    ------
    InputError
        Names the argument, what was found there, and what was expected.
    """
    worth = _numbers(value, "value")
    if worth.ndim not in (1, 2) or (worth.ndim == 1) != (job is not None):
        raise InputError("a matrix (jobs, ways), or an array (rows,) and job=", path="value", value=f"{worth.ndim}-D")
    columns = worth.shape[1] if worth.ndim == 2 else None
    flat = worth.astype(np.float64, copy=False).reshape(-1)
    must, before = _numbers(required, "required"), None if current is None else _numbers(current, "current")
    named = [len(array) for array in (must, before) if array is not None and array.ndim == 1]
    if columns is not None:
        owner, jobs = None, len(worth)
    else:
        owner = _whole(job, "job", len(flat))
        jobs = max(named, default=int(owner.max(initial=-1)) + 1)
        if len(owner) and not 0 <= owner.min() <= owner.max() < jobs:
            raise InputError(f"job numbers from 0 to {jobs - 1}", path="job", value=f"{owner.min()} to {owner.max()}")
    if any(length != jobs for length in named):
        raise InputError(f"one entry for each of {jobs} jobs", path="required, current", value=f"{named} entries")
    there = np.isfinite(flat)
    if not there.all() and np.any(flat == np.inf):
        raise InputError("finite values, and nan or -inf for no way", path="value", value="inf")
    if (largest := max(flat.max(where=there, initial=0.0), -flat.min(where=there, initial=0.0))) > _MOST:
        raise InputError(f"values of at most {_MOST:g} in size", path="value", value=f"{largest:g}")
    rows = None if there.all() else np.flatnonzero(there)
    if owner is not None and np.any(owner[1:] < owner[:-1]):
        order = np.argsort(owner, kind="stable")
        rows = order[there[order]]
    shape = _Shape(len(flat), columns, rows)
    mine = flat if rows is None else flat[rows]
    if owner is not None:
        count = np.bincount(shape.of(owner, "job", np.int64), minlength=jobs)
    elif rows is not None:
        count = np.bincount(rows // max(1, len(flat) // max(1, jobs)), minlength=jobs)
    else:
        count = np.full(jobs, columns, dtype=np.int64)
    first = offsets(count)
    limit = _numbers(capacity, "capacity").astype(np.float64)
    if limit.ndim != 1 or np.isnan(limit).any() or np.any(limit < 0):
        raise InputError("one number >= 0 for each resource, inf for no limit", path="capacity", value=shown(capacity))
    kept, holds, mine = _holding(shape, mine, first, owner, before, restart_cost)
    if max_moves is not None and max_moves < 0:
        raise InputError("a number of moves >= 0", path="max_moves", value=shown(max_moves))
    return ValueArrays(
        value=mine,
        first=first,
        used=_used(shape, len(mine), pool, gpus, uses, len(limit)),
        capacity=limit,
        required=np.broadcast_to(must.astype(bool), jobs),
        kept=kept,
        held=holds,
        limits=tuple(_limit(shape, number, one) for number, one in enumerate(limits)),
        number=rows if columns is None else (np.arange(len(flat)) if rows is None else rows) % max(1, columns),
    )


def _numbers(array: ArrayLike, path: str) -> NDArray[Any]:
    """Return an array of numbers."""
    try:
        given = np.asarray(array)
    except ValueError as error:
        raise InputError("an array of numbers", path=path, value=shown(str(error))) from None
    if given.size and given.dtype.kind not in "biuf":
        raise InputError("an array of numbers", path=path, value=f"dtype {given.dtype}")
    return given


def _whole(array: ArrayLike | None, path: str, size: int) -> IntArray:
    """Return whole numbers, one for each row."""
    given = _numbers(array if array is not None else (), path)
    if given.shape != (size,):
        raise InputError(f"an array of shape {(size,)}", path=path, value=f"shape {given.shape}")
    if given.dtype.kind == "f" and not np.all(given == np.floor(given)):
        raise InputError("whole numbers", path=path, value=shown(given[given != np.floor(given)][0]))
    return given.astype(np.int64, copy=False)


def _holding(
    shape: _Shape,
    value: FloatArray,
    first: IntArray,
    owner: IntArray | None,
    current: NDArray[Any] | None,
    restart_cost: ArrayLike,
) -> tuple[NDArray[np.bool_], int, FloatArray]:
    """Return which rows are held now, how many jobs hold something, and the values less what restarts cost."""
    jobs = len(first) - 1
    kept = np.zeros(len(value), dtype=bool)
    cost = _numbers(restart_cost, "restart_cost")
    if cost.shape not in ((), (jobs,)) or not np.all(np.isfinite(cost)) or np.any(cost < 0):
        expected = f"a number >= 0, or one for each of {jobs} jobs"
        raise InputError(expected, path="restart_cost", value=shown(restart_cost))
    if current is None:
        return kept, 0, value
    wide = shape.size if shape.columns is None else shape.columns
    before = _whole(current, "current", jobs)
    if np.any(before < -1) or np.any(before >= wide):
        raise InputError(f"rows from 0 to {wide - 1}, -1 for none", path="current", value=shown(before.tolist()))
    holds = np.flatnonzero(before >= 0)
    flat = before[holds] if shape.columns is None else holds * shape.columns + before[holds]
    held = np.zeros(shape.size, dtype=bool)
    held[flat] = True
    kept = held if shape.rows is None else held[shape.rows]
    if owner is not None and np.any(owner[flat] != holds):
        raise InputError("a row of its own for each job", path="current", value=shown(before.tolist()))
    if np.any(cost > 0):
        lost = np.where(before >= 0, np.broadcast_to(cost, jobs), 0.0)
        value = value - np.where(kept, 0.0, np.repeat(lost, np.diff(first)))
    return kept, len(holds), value


def _used(
    shape: _Shape, rows: int, pool: ArrayLike | None, gpus: ArrayLike | None, uses: Any, resources: int
) -> Entries:
    """Return what rows take as coordinates."""
    parts: list[Entries] = []
    if pool is not None:
        where = _numbers(pool, "pool")
        if where.size and not (where.min() >= -1 and where.max() < resources and np.all(where == np.floor(where))):
            expected = f"whole numbers from 0 to {resources - 1}, the places in capacity; -1 for none"
            raise InputError(expected, path="pool", value=f"{where.min():g} to {where.max():g}")
        of_row = shape.of(where, "pool", np.int64)
        parts.append((np.arange(rows), of_row, shape.of(1.0 if gpus is None else gpus, "gpus")))
        if len(of_row) and of_row.min() < 0:
            parts[-1] = _some(parts[-1], of_row >= 0)
    elif gpus is not None:
        raise InputError("pool=, the resource that the GPUs are of", path="gpus", value="no pool")
    if uses is not None:
        parts.append(_more(shape, uses, resources))
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    row, resource, amount = parts[0]
    if len(parts) == 2:  # a resource that is named by both is taken twice
        row, resource, amount = (np.concatenate(both) for both in zip(*parts, strict=True))
        key = row * resources + resource
        known, place = np.unique(key, return_inverse=True)
        row, resource = known // max(1, resources), known % max(1, resources)
        amount = np.bincount(place, weights=amount, minlength=len(known)).astype(np.float64)
    if len(amount) and not (amount.min() >= 0 and amount.max() <= _MOST):
        raise InputError(f"amounts from 0 to {_MOST:g}", path="gpus, uses", value=f"{amount.min():g}, {amount.max():g}")
    return (row, resource, amount) if amount.all() else _some((row, resource, amount), amount != 0)


def _below(numbers: IntArray, size: int) -> bool:
    return len(numbers) == 0 or (int(numbers.min()) >= 0 and int(numbers.max()) < size)


def _some(entries: Entries, keep: NDArray[np.bool_]) -> Entries:
    return entries[0][keep], entries[1][keep], entries[2][keep]


def _more(shape: _Shape, uses: Any, resources: int) -> Entries:
    """Return the entries of ``uses``: a matrix, a sparse one, or coordinates."""
    if isinstance(uses, tuple) or hasattr(uses, "tocoo"):
        parts = uses if isinstance(uses, tuple) else (*uses.tocoo().coords, uses.tocoo().data)
        if len(parts) != 3 or len({np.shape(part) for part in parts}) != 1:
            raise InputError("three arrays of one length: row, resource, amount", path="uses", value=shown(len(parts)))
        row, resource = (_whole(part, "uses", np.size(part)) for part in parts[:2])
        amount = _numbers(parts[2], "uses").astype(np.float64)
        if not (_below(row, shape.size) and _below(resource, resources)):
            raise InputError(f"rows below {shape.size} and resources below {resources}", path="uses")
        if shape.rows is not None:
            place = np.full(shape.size, -1)
            place[shape.rows] = np.arange(len(shape.rows))
            row, resource, amount = _some((place[row], resource, amount), place[row] >= 0)
        return row, resource, amount
    given, wide = _numbers(uses, "uses"), shape.columns
    if wide is not None and given.shape == (wide, resources):
        given = np.broadcast_to(given, (shape.size // max(1, wide), wide, resources))
    if given.size != shape.size * resources or given.shape[-1:] != (resources,):
        expected = f"an array of shape (rows, {resources}), or coordinates (row, resource, amount)"
        raise InputError(expected, path="uses", value=f"shape {given.shape}")
    matrix = given.reshape(shape.size, resources)
    matrix = matrix if shape.rows is None else matrix[shape.rows]
    row, resource = np.nonzero(matrix)
    return row, resource, matrix[row, resource].astype(np.float64)


def _limit(shape: _Shape, number: int, limit: LinearLimit) -> tuple[FloatArray, float | None, float | None]:
    path = f"limits[{number}]"
    if not isinstance(limit, LinearLimit) or (limit.at_least is None and limit.at_most is None):
        raise InputError("a LinearLimit with at_least, at_most, or both", path=path, value=shown(limit))
    amount = shape.of(limit.amount, f"{path}.amount")
    if not all(np.isfinite(bound) for bound in (limit.at_least, limit.at_most) if bound is not None):
        raise InputError("finite bounds", path=path, value=shown((limit.at_least, limit.at_most)))
    if not np.all(np.abs(amount) <= _MOST):
        raise InputError(f"amounts of at most {_MOST:g} in size", path=f"{path}.amount")
    return amount, limit.at_least, limit.at_most
