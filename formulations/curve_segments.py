"""Segments: the sets and parameters of :mod:`formulations.allocation`, cut from the values of the configurations."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, run_starts
from optsched.prediction.curves.concave import Lines, concave_lines, concave_runs
from optsched.problem.piecewise import Pieces
from optsched.problem.piecewise.cover import cover_curve, cover_grid
from optsched.problem.problem import Problem, rows_of

__all__ = ["LINED", "SLICED", "Segments", "rows_at", "segment_of", "segments", "usage"]

LINED = ("auto", "segments")
"""Encodings that cut curves of the GPUs into runs which are concave up to the error, under lines."""

SLICED = ("segments", "incremental", "pyomo")
"""Encodings of one argument: each number of parameter servers is a curve of its own."""


@dataclass(frozen=True)
class Segments:
    """The sets and parameters of the formulation as arrays, ``n`` segments and ``k`` lines.

    job, pool, kept
        Of each segment, shape ``(n,)``.
    rest, step, first, last, fewest, most
        r_s, m_s, A_s, B_s, P_s and Q_s.
    binary
        Whether d_s must be binary.
    line_of, slope, level
        Segment, alpha and beta of each line, shape ``(k,)``.
    lines
        Number of lines of each segment, 0 for those in ``curves`` and ``grids``; shape ``(n,)``.
    curves, grids
        Values of segments in one argument (the units of GPUs, or where these are fixed the servers), and in both;
        None where there are none. ``curve_of``, ``grid_of``: the segment of each.
    error
        Proven largest relative error of any segment.
    """

    job: IntArray
    pool: IntArray
    kept: IntArray
    rest: IntArray
    step: IntArray
    first: IntArray
    last: IntArray
    fewest: IntArray
    most: IntArray
    binary: IntArray
    line_of: IntArray
    slope: FloatArray
    level: FloatArray
    lines: IntArray
    curves: Pieces | None
    curve_of: IntArray
    grids: Pieces | None
    grid_of: IntArray
    error: float

    @property
    def ranged(self) -> NDArray[np.bool_]:
        """Which segments choose their units of GPUs."""
        return self.last > self.first

    @property
    def spread(self) -> NDArray[np.bool_]:
        """Which segments choose their parameter servers."""
        return self.most > self.fewest

    @cached_property
    def span(self) -> tuple[FloatArray, FloatArray]:
        """Least and greatest value of each segment, or 0 where that is beyond; shape ``(n,)`` each."""
        low, high = np.zeros(len(self.job)), np.zeros(len(self.job))
        gpus = np.stack([self.rest + self.step * end for end in (self.first, self.last)])[:, self.line_of]
        ends = self.slope * gpus + self.level
        parts = [(self.line_of, ends[0]), (self.line_of, ends[1])]
        for pieces, of in ((self.curves, self.curve_of), (self.grids, self.grid_of)):
            if pieces is not None:
                parts.append((of[pieces.of], pieces.value))
        for of, value in parts:
            np.minimum.at(low, of, value)
            np.maximum.at(high, of, value)
        return low, high

    def label(self, problem: Problem, s: int) -> str:
        """Return the index of a segment for people, e.g. ``job-3,v100@main,5-64``, with servers ``...,5-64/1-4``."""
        job, pool = problem.instance.jobs[self.job[s]].id, problem.configurations.pools[self.pool[s]]
        low, high = (self.rest[s] + self.step[s] * end[s] for end in (self.first, self.last))
        servers = f"/{self.fewest[s]}-{self.most[s]}" if self.most[s] else ""
        return f"{job},{pool},{low}-{high}{servers}{',kept' if self.kept[s] else ''}"


class _Area(NamedTuple):
    """Counts ``low, low + step, ...`` with ``fewest, fewest + 1, ...`` servers, and the value of every pair."""

    low: int
    step: int
    fewest: int
    value: FloatArray


_Key = tuple[int, int, int, int, float, bytes]
"""What two areas must have in common to be cut alike: low, step, fewest, width, error, and values by the first."""


class _Range(NamedTuple):
    """What a segment says of its counts: r, m, A, B, P, Q."""

    rest: int
    step: int
    first: int
    last: int
    fewest: int
    most: int


class _Curve(NamedTuple):
    """Breakpoints of a segment's value in one argument."""

    segment: int
    at: FloatArray
    value: FloatArray


class _Grid(NamedTuple):
    """Values of a segment at the crossings of lines of units and of servers."""

    segment: int
    x: IntArray
    y: IntArray
    value: FloatArray


@dataclass
class _Cutter:
    """Cuts the areas of all jobs into segments; those that differ by a factor only are cut once."""

    error: float
    encoding: str
    owner: list[tuple[int, int, int]] = field(default_factory=list)
    range: list[_Range] = field(default_factory=list)
    lines: list[Lines | None] = field(default_factory=list)
    curves: list[_Curve] = field(default_factory=list)
    grids: list[_Grid] = field(default_factory=list)
    found: float = 0.0
    lines_of: dict[_Key, list[Lines]] = field(default_factory=dict)
    curve_of: dict[_Key, tuple[FloatArray, FloatArray, float]] = field(default_factory=dict)
    grid_of: dict[_Key, tuple[IntArray, IntArray, FloatArray, float]] = field(default_factory=dict)

    def add(self, owner: tuple[int, int, int], range: _Range, lines: Lines | None, error: float) -> int:
        """Add a segment and return its number."""
        self.owner.append(owner)
        self.range.append(range)
        self.lines.append(lines)
        self.found = max(self.found, error)
        return len(self.owner) - 1

    def point(self, owner: tuple[int, int, int], gpus: int, servers: int, value: float) -> None:
        """Add a segment of a single way to run."""
        line = Lines(gpus, gpus, np.zeros(1), np.array([value]), 0.0)
        self.add(owner, _Range(0, gpus, 1, 1, servers, servers), line, 0.0)

    def cut(self, owner: tuple[int, int, int], area: _Area) -> None:
        """Add the segments of an area."""
        low, step, fewest, worth = area
        wide, high = worth.shape
        if wide == high == 1:
            return self.point(owner, low, fewest, float(worth[0, 0]))
        # values that are not all positive have no relative error: they are shifted, and no error allowed
        least = float(worth.min())
        shift, error = (0.0, self.error) if least > 0 else (1.0 - least, 0.0)
        unit = float(worth[0, 0]) + shift
        shape = np.round((worth + shift) / unit, 13)
        lift = 1e-12 * float(worth.max() + shift) - shift  # rounding the shape may have lowered a point
        key = (low, step, fewest, wide, error, shape.tobytes())
        first = low // step
        servers = fewest, fewest + high - 1
        if high == 1 and self.encoding in LINED:
            if key not in self.lines_of:
                self.lines_of[key] = _lines(low + step * np.arange(wide), shape[:, 0], error)
            for part in self.lines_of[key]:
                left, right = int(part.left), int(part.right)
                by = step if right > left else left
                range = _Range(left % by, by, left // by, right // by, *servers)
                moved = Lines(left, right, part.slope * unit, part.level * unit + lift, part.error + 1e-12)
                self.add(owner, range, moved, moved.error)
            return None
        range = (
            _Range(low % step, step, first, first + wide - 1, *servers) if wide > 1 else _Range(0, low, 1, 1, *servers)
        )
        if wide == 1 or high == 1:
            if key not in self.curve_of:
                start = first if high == 1 else fewest
                self.curve_of[key] = cover_curve(start + np.arange(wide * high), shape.ravel(), error)
            at, value, found = self.curve_of[key]
            self.curves.append(_Curve(self.add(owner, range, None, found + 1e-12), at, value * unit + lift))
        else:
            if key not in self.grid_of:
                self.grid_of[key] = cover_grid(shape, error)
            x, y, value, found = self.grid_of[key]
            number = self.add(owner, range, None, found + 1e-12)
            self.grids.append(_Grid(number, first + x, fewest + y, (value * unit + lift).ravel()))
        return None


def _lines(counts: IntArray, value: FloatArray, error: float) -> list[Lines]:
    """Return the lines over each run of counts on which values are concave up to the error."""
    runs = concave_runs(counts, value, error)
    return [concave_lines(counts[a : b + 1], value[a : b + 1], error) for a, b in runs]


def segments(problem: Problem, encoding: str = "auto") -> Segments:
    """Split the values of every job and pool into segments, and cover each by lines or breakpoints."""
    table = problem.configurations
    key = table.job * len(table.pools) + table.columns.pool
    cutter = _Cutter(problem.error, encoding)
    for begin, end in itertools.pairwise([*run_starts(key).tolist(), len(key)]):
        job, pool, rows = int(table.job[begin]), int(table.columns.pool[begin]), slice(begin, end)
        for area in _areas(problem, rows, encoding in SLICED):
            cutter.cut((job, pool, 0), area)
        held = begin + np.flatnonzero(table.kept[rows])
        # where the batch that is held is not known, several rows may be it: the best of them is
        best: dict[tuple[int, int], float] = {}
        for row in held.tolist():
            pair = int(table.columns.gpus[row]), int(table.columns.servers[row])
            best[pair] = max(best.get(pair, -np.inf), float(problem.value[row]))
        for (gpus, servers), value in best.items():
            cutter.point((job, pool, 1), gpus, servers, value)
    return _gathered(problem, cutter)


def _gathered(problem: Problem, cut: _Cutter) -> Segments:
    """Lay what was cut out as arrays."""
    of_job, of_pool, kept = np.array(cut.owner, dtype=np.int64).reshape(-1, 3).T
    rest, step, first, last, fewest, most = np.array(cut.range, dtype=np.int64).reshape(-1, 6).T
    some = [part for part in cut.lines if part is not None]
    count = np.array([0 if part is None else len(part.slope) for part in cut.lines], dtype=np.int64)
    line_of = np.repeat(np.arange(len(count)), count)
    slope = np.concatenate([[], *(part.slope for part in some)])
    level = np.concatenate([[], *(part.level for part in some)])
    lowest = np.full(len(count), np.inf)
    np.minimum.at(lowest, line_of, level)
    several = np.bincount(of_job, minlength=problem.configurations.jobs)[of_job] > 1
    binary = (
        several | problem.required[of_job] | (rest > 0) | (first != 1) | (last == first) | (lowest < 0) | (count == 0)
    )
    curves = grids = None
    if cut.curves:
        at, value = (np.concatenate(part) for part in list(zip(*cut.curves, strict=True))[1:])
        curves = Pieces.curves(_numbered([c.at for c in cut.curves]), at, value)
    if cut.grids:
        x, y, value = (np.concatenate(part) for part in list(zip(*cut.grids, strict=True))[1:])
        of_x, of_y = _numbered([g.x for g in cut.grids]), _numbered([g.y for g in cut.grids])
        grids = Pieces.grids(of_x, x, of_y, y, value)
    curve_of, grid_of = (np.array([f.segment for f in kind], dtype=np.int64) for kind in (cut.curves, cut.grids))
    return Segments(
        of_job,
        of_pool,
        kept,
        rest,
        step,
        first,
        last,
        fewest,
        most,
        binary.astype(np.int64),
        line_of,
        slope,
        level,
        count,
        curves,
        curve_of,
        grids,
        grid_of,
        cut.found,
    )


def _numbered(parts: Sequence[IntArray | FloatArray]) -> IntArray:
    """Return for each element of joined arrays the number of its array."""
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _areas(problem: Problem, rows: slice, sliced: bool) -> Iterator[_Area]:
    """Yield what a job may choose in one pool as areas without gaps, whose steps are the least of any."""
    table = problem.configurations
    gpus, servers = table.columns.gpus[rows], table.columns.servers[rows]
    value, held = problem.value[rows], table.kept[rows]
    curves: dict[int, tuple[IntArray, FloatArray]] = {}
    for p in np.unique(servers[~held]).tolist():
        own = ~held & (servers == p)
        counts = np.unique(gpus[own])
        best = np.full(len(counts), -np.inf)
        np.maximum.at(best, np.searchsorted(counts, gpus[own]), value[own])
        mine = held & (servers == p)
        curves[p] = _bridged(counts, best, gpus[mine], value[mine])
    step = min((int(np.diff(counts).min()) for counts, _ in curves.values() if len(counts) > 1), default=1)
    runs: dict[tuple[int, int], list[int]] = defaultdict(list)
    for p, (counts, _) in curves.items():
        ends = np.flatnonzero(np.diff(counts) != step)
        for first, last in zip([0, *(ends + 1)], [*ends, len(counts) - 1], strict=True):
            runs[int(counts[first]), int(counts[last])].append(p)
    for (low, high), numbers in sorted(runs.items()):
        cuts = np.flatnonzero((np.diff(numbers) != 1) | sliced) + 1
        for part in np.split(np.array(numbers), cuts):
            columns = []
            for p in part.tolist():
                counts, best = curves[p]
                columns.append(best[(counts >= low) & (counts <= high)])
            yield _Area(low, step, int(part[0]), np.column_stack(columns))


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


def segment_of(problem: Problem, s: Segments, row: int) -> int:
    """Return the segment in which a row of the configurations lies."""
    columns = problem.configurations.columns
    low, high = s.rest + s.step * s.first, s.rest + s.step * s.last
    gpus, servers = columns.gpus[row], columns.servers[row]
    fits = (s.job == problem.configurations.job[row]) & (s.pool == columns.pool[row]) & (low <= gpus) & (gpus <= high)
    fits &= (s.fewest <= servers) & (servers <= s.most)
    return int(np.flatnonzero(fits & (s.kept == problem.configurations.kept[row]))[0])


def usage(problem: Problem, job: IntArray, pool: IntArray) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Return a_jr and e_jr of jobs in pools as coordinates (k, resource, a GPU's amount, a server's amount).

    Parameters
    ----------
    job, pool
        Numbers of the k-th job and of the pool where it would run, shape ``(n,)`` each.
    """
    table, jobs = problem.configurations, problem.instance.jobs
    everywhere = len(table.pools)
    sites = [site.id for site in problem.instance.cluster.sites]
    site = np.array([sites.index(pool.site) for pool in table.pools])[pool]
    every = np.arange(len(job))
    parts = [(every, pool, np.ones(len(job)), np.zeros(len(job)))]
    for number, kind in enumerate(("cpu_cores", "memory_gb")):
        gpu = np.array([getattr(owner, f"{kind}_per_gpu") for owner in jobs])[job]
        server = np.array([getattr(owner.parameter_servers, kind, 0.0) for owner in jobs])[job]
        some = (gpu > 0) | (server > 0)
        parts.append((every[some], everywhere + number * len(sites) + site[some], gpu[some], server[some]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def rows_at(problem: Problem, s: Segments, d: FloatArray, n: FloatArray, p: FloatArray) -> IntArray:
    """Return the chosen row of each job from the values of d, n and p (0 where there is none), ``(segments,)`` each.

    Of the rows with the chosen counts it is the best, or what the job holds where that was chosen.
    """
    table = problem.configurations
    units = np.where(s.ranged, np.rint(n), s.first)
    servers = np.where(s.spread, np.rint(p), s.fewest)
    # a continuous d_s may stand anywhere that n_s allows: the units tell whether the job runs
    chosen = np.flatnonzero(np.where(s.binary == 1, d > 0.5, units >= 1))
    rows = []
    for k in chosen:
        gpus = s.rest[k] + s.step[k] * int(units[k])
        begin, end = table.first[s.job[k]], table.first[s.job[k] + 1]
        fits = (table.columns.pool[begin:end] == s.pool[k]) & (table.columns.gpus[begin:end] == gpus)
        fits &= table.columns.servers[begin:end] == servers[k]
        if s.kept[k]:
            fits &= table.kept[begin:end]
        candidates = begin + np.flatnonzero(fits)
        rows.append(candidates[np.argmax(problem.value[candidates])])
    return rows_of(problem, np.array(rows, dtype=np.int64))
