"""What time-share policies divide: GPUs of a few types, and jobs with a throughput on each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optsched._util.arrays import FloatArray, IntArray, distinct
from optsched.errors import InputError, shown

__all__ = ["Columns", "Market", "Pairs", "columns", "market", "merged"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of jobs that share GPUs: both run at the same time on the same ones.

    job
        The two jobs of each pair, shape ``(pairs, 2)``. Twice the same stands for two copies of one kind.
    gpu_type
        Where the pair runs, shape ``(pairs,)``.
    throughput
        Of the first and of the second while they share, shape ``(pairs, 2)``.
    """

    job: IntArray
    gpu_type: IntArray
    throughput: FloatArray

    def __len__(self) -> int:
        return len(self.gpu_type)


@dataclass(frozen=True)
class Market:
    """Jobs and GPUs; made by :func:`market`, which checks it.

    throughput
        Of job j while it runs on its whole gang of GPUs of type k, in steps/s or any unit of the job's own;
        0 where it cannot run. Shape ``(jobs, types)``.
    capacity
        GPUs of each type, shape ``(types,)``.
    gang
        GPUs that each job runs on ("scale factor"), shape ``(jobs,)``.
    weight
        > 0, shape ``(jobs,)``.
    many
        How many equal jobs each row stands for ("kinds"), shape ``(jobs,)``. All other numbers are of one of them.
    pairs
        Pairs that may share GPUs; None: jobs run alone.
    pair_kind
        Of a market that was merged: for each pair of the market it was made from, the pair here that stands for it.
    """

    throughput: FloatArray
    capacity: FloatArray
    gang: FloatArray
    weight: FloatArray
    many: FloatArray
    pairs: Pairs | None = None
    pair_kind: IntArray | None = None

    @property
    def jobs(self) -> int:
        """Number of rows."""
        return len(self.throughput)

    @property
    def types(self) -> int:
        """Number of GPU types."""
        return len(self.capacity)

    @property
    def fastest(self) -> FloatArray:
        """Throughput of each job if it always ran alone on its best type, shape ``(jobs,)``."""
        best: FloatArray = self.throughput.max(axis=1)
        return best

    @property
    def equal_share(self) -> FloatArray:
        """Throughput of each job with an equal share of the GPUs of every type, shape ``(jobs,)``.

        Of M jobs, each may have N_k / M GPUs of type k, that is its whole gang for a part N_k / (M s_j) of
        the time; in all no more than the whole time (Gavel, sec. 4.1).
        """
        share = self.capacity / self.many.sum() / self.gang[:, None]
        share /= np.maximum(1.0, share.sum(axis=1))[:, None]
        worth: FloatArray = (self.throughput * share).sum(axis=1)
        return worth


@dataclass(frozen=True)
class Columns:
    """Every way to spend GPU time: a job alone, or a pair; all fields have shape ``(n,)``.

    first, second
        The jobs; ``second`` is -1 for a job alone.
    gpu_type
        Where.
    gang
        GPUs.
    rate_first, rate_second
        Throughputs; 0 without a second job.
    """

    first: IntArray
    second: IntArray
    gpu_type: IntArray
    gang: FloatArray
    rate_first: FloatArray
    rate_second: FloatArray

    def __len__(self) -> int:
        return len(self.first)


def market(
    throughput: ArrayLike,
    capacity: ArrayLike,
    *,
    gang: ArrayLike = 1.0,
    weight: ArrayLike = 1.0,
    many: ArrayLike = 1.0,
    pairs: Pairs | None = None,
) -> Market:
    """Return a market of arrays; numbers stand for all jobs. Types of capacity 0 may be given: no job runs there.

    Raises
    ------
    InputError
        For shapes that do not fit, numbers out of range, a job that can run nowhere, or pairs of unequal gangs.
    """
    rates = _numbers(throughput, "throughput")
    supply = _numbers(capacity, "capacity")
    if rates.ndim != 2 or supply.shape != rates.shape[1:] or 0 in rates.shape:
        raise InputError(
            "one row a job and one column a GPU type of the capacity",
            path="throughput",
            value=f"shapes {rates.shape} and {supply.shape}",
        )
    fields: dict[str, FloatArray] = {}
    for name, given in (("gang", gang), ("weight", weight), ("many", many)):
        array = _numbers(given, name)
        if array.ndim > 1 or array.shape not in ((), rates.shape[:1]):
            raise InputError("one number, or one for each job", path=name, value=f"shape {array.shape}")
        if (array <= 0).any():
            raise InputError("numbers > 0", path=name, value=shown(float(array.min())))
        fields[name] = np.broadcast_to(array, rates.shape[:1])
    if (fields["many"] != np.floor(fields["many"])).any():
        raise InputError("whole numbers", path="many")
    fits = (supply > 0) & (fields["gang"][:, None] <= supply)
    rates = np.where(fits, rates, 0.0)
    if (stuck := np.flatnonzero(rates.max(axis=1) <= 0)).size:
        raise InputError(
            "a GPU type that the job runs on, and that has GPUs enough for it", path=f"throughput[{stuck[0]}]"
        )
    found = Market(rates, supply, fields["gang"], fields["weight"], fields["many"])
    return found if pairs is None else replace(found, pairs=_checked(pairs, found))


def _numbers(given: ArrayLike, path: str) -> FloatArray:
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("numbers", path=path, value=shown(given)) from None
    if not np.isfinite(array).all() or (array < 0).any():
        raise InputError("finite numbers >= 0", path=path)
    return array


def _checked(pairs: Pairs, found: Market) -> Pairs:
    """Return the pairs that can run, in the right types."""
    job, where = np.asarray(pairs.job, dtype=np.int64), np.asarray(pairs.gpu_type, dtype=np.int64)
    rates = _numbers(pairs.throughput, "pairs.throughput")
    if job.shape != (len(where), 2) or rates.shape != job.shape:
        raise InputError("two jobs, a GPU type and two throughputs a pair", path="pairs")
    outside = (job < 0).any(1) | (job >= found.jobs).any(1) | (where < 0) | (where >= found.types)
    if outside.any():
        raise InputError("numbers of jobs and GPU types", path=f"pairs[{int(np.argmax(outside))}]")
    if (unequal := found.gang[job[:, 0]] != found.gang[job[:, 1]]).any():
        raise InputError("two jobs of equal gangs", path=f"pairs[{int(np.argmax(unequal))}]")
    if (alone := (job[:, 0] == job[:, 1]) & (found.many[job[:, 0]] < 2)).any():
        raise InputError("two jobs, or a kind of several", path=f"pairs[{int(np.argmax(alone))}]")
    runs = (found.throughput[job[:, 0], where] > 0) & (found.throughput[job[:, 1], where] > 0) & (rates > 0).any(1)
    return Pairs(job[runs], where[runs], rates[runs])


def columns(of: Market) -> Columns:
    """Return every way to spend GPU time: jobs alone first, by job and type, then the pairs in their order."""
    job, where = np.nonzero(of.throughput > 0)
    rate = of.throughput[job, where]
    none = np.full(len(job), -1)
    if of.pairs is None:
        return Columns(job, none, where, of.gang[job], rate, np.zeros(len(job)))
    two = of.pairs
    return Columns(
        np.concatenate([job, two.job[:, 0]]),
        np.concatenate([none, two.job[:, 1]]),
        np.concatenate([where, two.gpu_type]),
        of.gang[np.concatenate([job, two.job[:, 0]])],
        np.concatenate([rate, two.throughput[:, 0]]),
        np.concatenate([np.zeros(len(job)), two.throughput[:, 1]]),
    )


def merged(of: Market, *data: FloatArray) -> tuple[Market, IntArray, list[FloatArray]]:
    """Return the market with equal jobs as kinds, the kind of each job, and the kinds' rows of the data.

    Jobs are equal whose throughputs, gangs, weights and rows of ``data``, shape ``(jobs,)`` each, are, and that have
    as many pairs with jobs of every kind, equally fast: a partition that color refinement finds. Some optimum of a
    linear program treats the members of such a partition equally (Grohe, Kersting, Mladenov and Selman, ESA'14). A
    market in which hardly any two are equal stays as it is.
    """
    same = np.arange(of.jobs)
    table = np.ascontiguousarray(np.column_stack([of.throughput, of.gang, of.weight, of.many, *data]) + 0.0)
    key = table @ np.random.default_rng(0).random(table.shape[1])  # equal rows have equal keys: sorting one number
    _, example, kind = np.unique(key, return_index=True, return_inverse=True)
    if of.pairs is not None:
        kind = _refined(kind, of.pairs)
        _, example = np.unique(kind, return_index=True)
    if len(example) > of.jobs // 2 or not np.array_equal(table[example][kind], table):
        return of, same, list(data)
    many: FloatArray = np.bincount(kind, weights=of.many).astype(np.float64)
    rows: NDArray[np.int64] = example
    small = Market(of.throughput[rows], of.capacity, of.gang[rows], of.weight[rows], many)
    if of.pairs is not None:
        small = _with_kinds_of_pairs(small, of.pairs, kind)
    return small, kind, [d[rows] for d in data]


def _equal_rows(table: FloatArray) -> tuple[IntArray, IntArray]:
    """Return one of each set of equal rows, and the set of each row: by sorting one key where no two sets share it."""
    key = table @ np.random.default_rng(0).random(table.shape[1])
    _, example, number = np.unique(key, return_index=True, return_inverse=True)
    return (example, number) if np.array_equal(table[example][number], table) else distinct(table)


def _refined(kind: IntArray, pairs: Pairs) -> IntArray:
    """Return the coarsest refinement of kinds in which equal jobs have equally many equal pairs with each kind."""
    first, second = pairs.job.T
    fast, slow = pairs.throughput.T
    flipped = np.column_stack([pairs.gpu_type, slow, fast])
    every = np.concatenate([np.column_stack([pairs.gpu_type, fast, slow]), flipped])
    _, number = _equal_rows(every)
    job, other = np.concatenate([first, second]), np.concatenate([second, first])
    speed = number
    draw = np.random.default_rng(1)
    count = int(kind.max(initial=-1)) + 1
    while True:
        _, met = np.unique(speed * count + kind[other], return_inverse=True)
        word = draw.integers(0, 2**63, int(met.max(initial=-1)) + 1, dtype=np.uint64)
        signature = np.zeros(len(kind), dtype=np.uint64)
        np.add.at(signature, job, word[met])  # sums of whole numbers: in any order
        _, digest = np.unique(signature, return_inverse=True)
        _, finer = np.unique(kind * len(kind) + digest, return_inverse=True)
        if int(finer.max(initial=-1)) + 1 == count:
            return kind
        kind, count = finer, int(finer.max()) + 1


def _with_kinds_of_pairs(small: Market, pairs: Pairs, kind: IntArray) -> Market:
    """Return a market of kinds with one pair for all pairs of two kinds that are equally fast."""
    both = kind[pairs.job]
    rates = pairs.throughput
    turn = (both[:, 0] > both[:, 1]) | ((both[:, 0] == both[:, 1]) & (rates[:, 0] > rates[:, 1]))
    both, rates = np.where(turn[:, None], both[:, ::-1], both), np.where(turn[:, None], rates[:, ::-1], rates)
    table = np.column_stack([both, pairs.gpu_type, rates])
    example, pair_kind = _equal_rows(table)
    some = Pairs(both[example], pairs.gpu_type[example], rates[example])
    return replace(small, pairs=some, pair_kind=pair_kind)
