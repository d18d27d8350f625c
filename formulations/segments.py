"""Segments: the sets and parameters of :mod:`formulations.allocation`, cut from the values of the configurations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched.curves import FloatArray, IntArray
from optsched.curves.concave import Lines, concave_lines, concave_runs
from optsched.problem import Problem, rows_of

__all__ = ["Segments", "rows_at", "segment_of", "segments", "usage"]


@dataclass(frozen=True)
class Segments:
    """The sets and parameters of the formulation as arrays, ``n`` segments and ``k`` lines.

    job, pool, kept
        Of each segment, shape ``(n,)``.
    rest, step, first, last
        r_s, m_s, A_s and B_s.
    binary
        Whether d_s must be binary.
    line_of, slope, level
        Segment, alpha and beta of each line, shape ``(k,)``.
    lines
        Number of lines of each segment, shape ``(n,)``.
    error
        Proven largest relative error of any line's minimum.
    """

    job: IntArray
    pool: IntArray
    kept: IntArray
    rest: IntArray
    step: IntArray
    first: IntArray
    last: IntArray
    binary: IntArray
    line_of: IntArray
    slope: FloatArray
    level: FloatArray
    lines: IntArray
    error: float

    def label(self, problem: Problem, s: int) -> str:
        """Return the index of a segment for people, e.g. ``job-3,v100@main,5-64``."""
        job, pool = problem.instance.jobs[self.job[s]].id, problem.configurations.pools[self.pool[s]]
        low, high = (self.rest[s] + self.step[s] * end[s] for end in (self.first, self.last))
        return f"{job},{pool},{low}-{high}{',kept' if self.kept[s] else ''}"


def segments(problem: Problem) -> Segments:
    """Split the values of every job and pool into segments, and cover each by lines."""
    table = problem.configurations
    key = table.job * len(table.pools) + table.ways.pool
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    shapes: dict[bytes, list[Lines]] = {}
    found: list[tuple[int, int, int, int, int, int, int]] = []
    lines: list[Lines] = []
    for begin, end in zip(starts, np.append(starts[1:], len(key)), strict=True):
        job, pool = int(table.job[begin]), int(table.ways.pool[begin])
        for kept, parts in _parts(problem, slice(begin, end), shapes):
            for part, step in parts:
                low, high = int(part.left), int(part.right)
                rest, first = low % step, low // step
                found.append((job, pool, kept, rest, step, first, first + (high - low) // step))
                lines.append(part)
    columns = np.array(found, dtype=np.int64).reshape(-1, 7).T
    count = np.array([len(part.slope) for part in lines], dtype=np.int64)
    line_of = np.repeat(np.arange(len(lines)), count)
    slope = np.concatenate([[], *(part.slope for part in lines)])
    level = np.concatenate([[], *(part.level for part in lines)])
    lowest = np.full(len(lines), np.inf)
    np.minimum.at(lowest, line_of, level)
    of_job, of_pool, kept_of, rests, steps, firsts, lasts = columns
    alone = np.bincount(of_job, minlength=table.jobs)[of_job] == 1
    free = alone & ~problem.required[of_job] & (rests == 0) & (firsts == 1) & (lasts > firsts) & (lowest >= 0)
    binary = (~free).astype(np.int64)
    error = max((part.error for part in lines), default=0.0)
    return Segments(of_job, of_pool, kept_of, rests, steps, firsts, lasts, binary, line_of, slope, level, count, error)


def _parts(
    problem: Problem, rows: slice, shapes: dict[bytes, list[Lines]]
) -> list[tuple[int, list[tuple[Lines, int]]]]:
    """Return the segments of one job in one pool as lines with their steps: the curve's, and what is held."""
    table = problem.configurations
    gpus, value, held = table.ways.gpus[rows], problem.value[rows], table.kept[rows]
    parts = []
    counts = np.unique(gpus[~held])
    if len(counts):
        best = np.zeros(len(counts))
        np.maximum.at(best, np.searchsorted(counts, gpus[~held]), value[~held])
        counts, best = _bridged(counts, best, gpus[held], value[held])
        if problem.required[table.job[rows.start]]:
            best = np.maximum(best, 1e-12 * max(1.0, best.max()))  # worth nothing, but it must run
        worthy = best > 0
        parts.append((0, _cut(counts[worthy], best[worthy], problem.error, shapes)))
    # where the batch that is held is not known, several rows may be it: the best of them is
    for count in np.unique(gpus[held]).tolist():
        worth = float(value[held & (gpus == count)].max())
        parts.append((1, [(Lines(count, count, np.zeros(1), np.array([worth]), 0.0), max(1, count))]))
    return parts


def _bridged(counts: IntArray, best: FloatArray, held: IntArray, worth: FloatArray) -> tuple[IntArray, FloatArray]:
    """Close the gap that the held count leaves inside a curve, so that it splits no segment.

    Any value up to what is held may stand there: choosing that count means to keep what is held.
    """
    for count, value in zip(held.tolist(), worth.tolist(), strict=True):
        if count not in counts and counts[0] < count < counts[-1]:
            between = min(value, float(np.interp(count, counts, best)))
            at = int(np.searchsorted(counts, count))
            counts, best = np.insert(counts, at, count), np.insert(best, at, between)
    return counts, best


def _cut(counts: IntArray, best: FloatArray, error: float, shapes: dict[bytes, list[Lines]]) -> list[tuple[Lines, int]]:
    """Return the segments of a curve; curves that differ by a factor only are cut once."""
    if len(counts) == 0:
        return []
    unit = best[0]
    shape = np.round(best / unit, 13)
    key = counts.tobytes() + shape.tobytes()
    if key not in shapes:
        runs = concave_runs(counts, shape, error)
        shapes[key] = [concave_lines(counts[a : b + 1], shape[a : b + 1], error) for a, b in runs]
    smallest = int(np.diff(counts).min()) if len(counts) > 1 else 1
    cut = []
    for part in shapes[key]:
        # rounding the shape may have lowered a point: lift the lines by as much
        level = part.level * unit + 1e-12 * best.max()
        step = smallest if part.right > part.left else max(1, int(part.left))
        cut.append((Lines(part.left, part.right, part.slope * unit, level, part.error + 1e-12), step))
    return cut


def segment_of(problem: Problem, s: Segments, row: int) -> int:
    """Return the segment in which a row of the configurations lies."""
    table = problem.configurations
    low, high = s.rest + s.step * s.first, s.rest + s.step * s.last
    gpus = table.ways.gpus[row]
    fits = (s.job == table.job[row]) & (s.pool == table.ways.pool[row]) & (low <= gpus) & (gpus <= high)
    return int(np.flatnonzero(fits & (s.kept == table.kept[row]))[0])


def usage(problem: Problem, s: Segments) -> tuple[IntArray, IntArray, FloatArray]:
    """Return a_jr of each segment as coordinates (segment, resource, amount), the pool's GPUs included."""
    table = problem.configurations
    everywhere = len(table.pools)
    sites = [site.id for site in problem.instance.cluster.sites]
    site = np.array([sites.index(pool.site) for pool in table.pools])[s.pool]
    every = np.arange(len(s.job))
    parts = [(every, s.pool, np.ones(len(every)))]
    for number, field in enumerate(("cpu_cores_per_gpu", "memory_gb_per_gpu")):
        amount = np.array([getattr(job, field) for job in problem.instance.jobs])[s.job]
        some = amount > 0
        parts.append((every[some], everywhere + number * len(sites) + site[some], amount[some]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def rows_at(problem: Problem, s: Segments, d: FloatArray, n: FloatArray) -> IntArray:
    """Return the chosen row of each job from the values of d and n (0 for points), shape ``(segments,)`` each.

    Of the rows with the chosen count it is the best, or what the job holds where that was chosen.
    """
    table = problem.configurations
    ranged = s.last > s.first
    units = np.where(ranged, np.rint(n), s.first)
    # a continuous d_s may stand anywhere that n_s allows: the units tell whether the job runs
    chosen = np.flatnonzero(np.where(s.binary == 1, d > 0.5, units >= 1))
    rows = []
    for k in chosen:
        gpus = s.rest[k] + s.step[k] * int(units[k])
        begin, end = table.first[s.job[k]], table.first[s.job[k] + 1]
        fits = (table.ways.pool[begin:end] == s.pool[k]) & (table.ways.gpus[begin:end] == gpus)
        if s.kept[k]:
            fits &= table.kept[begin:end]
        candidates = begin + np.flatnonzero(fits)
        rows.append(candidates[np.argmax(problem.value[candidates])])
    return rows_of(problem, np.array(rows, dtype=np.int64))
