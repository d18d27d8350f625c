"""Allocation: how many GPUs of which type in which site for each job, with the curve as linear pieces.

Sets
    J        jobs
    S_j      segments of job j: runs of GPU counts in one pool on which its value is concave, up to
             the linearization error; what the job holds now is a segment of its own (a point)
    K_s      lines of segment s, whose minimum over-estimates the value at every count of it
    R        shared resources: GPUs of each pool, CPU cores and memory of each site
    H        jobs that hold something now; T_j in S_j: what job j holds

Parameters
    r_s, m_s             a segment's counts are r_s + m_s n, 0 <= r_s < m_s, for n = A_s, ..., B_s
    A_s, B_s             first and last n of segment s
    alpha_sk, beta_sk    line k: value <= alpha_sk GPUs + beta_sk
    a_jr                 what one GPU of job j takes of resource r
    b_r                  capacity of resource r
    M                    most jobs of H that may lose or change what they hold

Variables
    d_s in {0, 1}        job j runs in segment s; continuous where curvature asks for no binary: if it is
                         the only segment of an optional job, starts at one unit (A_s = 1, r_s = 0) and
                         is concave down to 0 GPUs (all beta_sk >= 0), n_s = 0 and n_s >= 1 make it 0 and 1
    n_s integer >= 0     units of GPUs in segment s (none for a point, where n_s = A_s d_s)
    y_s >= 0             value in segment s (only where it has more than one line)
    z                    least value of any job (max-min only)

    g_s = r_s d_s + m_s n_s              the GPUs in segment s
    f_s = y_s, or alpha_s1 g_s + beta_s1 d_s where there is one line

Objective
    maximize  sum_s f_s                  (or z, for max-min)

Constraints
    C1_j    sum_{s in S_j} d_s <= 1      at most one segment (= 1 for a required job)
    C2_s    n_s - A_s d_s >= 0
    C3_s    n_s - B_s d_s <= 0
    C4_sk   y_s - alpha_sk g_s - beta_sk d_s <= 0
    C5_r    sum_j a_jr sum_{s in S_j} g_s <= b_r
    C6      sum_{j in H} sum_{s in T_j} d_s >= |H| - M      limit on moves (where there is one)
    C7_j    z - sum_{s in S_j} f_s <= 0  for every job that counts (max-min only)

The bound of the model is a bound for the true curves, since no line lies below them. Sources: the
hypograph and the multiple choice of segments of Vielma, Ahmed and Nemhauser (Operations Research
2010, sec. 2 and 4); the perspective (d_s in C4) of Frangioni and Gentile (Math. Prog. 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched.curves import FloatArray, IntArray
from optsched.curves.concave import Lines, concave_lines, concave_runs
from optsched.formulation import Formulated, Formulation, Support
from optsched.linear import LinearModel
from optsched.problem import Problem, rows_of

__all__ = ["FORMULATION", "Segments", "build", "segments"]


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


def supports(problem: Problem) -> Support:
    """Every instance without parameter servers, whose number is no function of the GPUs."""
    with_servers = np.flatnonzero(problem.configurations.ways.servers > 0)
    if len(with_servers):
        job = problem.instance.jobs[problem.configurations.job[with_servers[0]]].id
        return Support(False, f"job {job!r} has parameter servers: choose their number by 'configuration'")
    return Support(True)


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


def build(problem: Problem) -> Formulated:
    """Return the model for linear backends."""
    table, goal = problem.configurations, problem.objective
    jobs = [job.id for job in problem.instance.jobs]
    s = segments(problem)
    size = len(s.job)
    every = np.arange(size)
    least = goal.aggregate == "min"
    single = s.lines == 1
    ranged, curved = np.flatnonzero(s.last > s.first), np.flatnonzero(~single)
    alpha, beta = np.zeros(size), np.zeros(size)  # of the segments with a single line
    alpha[s.line_of], beta[s.line_of] = s.slope, s.level
    model = LinearModel()

    def label(k: int) -> str:
        return s.label(problem, k)

    gain = np.where(single & (not least), 1.0, 0.0)
    fixed = s.rest + np.where(s.last > s.first, 0, s.step * s.first)  # GPUs that come with d_s
    d = model.add_variables(
        "d", size, upper=1.0, integer=s.binary.astype(bool), cost=gain * (alpha * fixed + beta), label=label
    )
    n = model.add_variables(
        "n", len(ranged), upper=s.last[ranged], integer=True, cost=(gain * alpha * s.step)[ranged],
        label=lambda k: label(ranged[k]),
    )  # fmt: skip
    y = model.add_variables("y", len(curved), cost=0.0 if least else 1.0, label=lambda k: label(curved[k]))
    n_of, y_of = np.full(size, -1), np.full(size, -1)
    n_of[ranged], y_of[curved] = n, y

    required = problem.required.astype(np.float64)
    model.add_rows("C1", (s.job, d, 1.0), lower=required, upper=1.0, size=len(jobs), label=jobs.__getitem__)
    here = np.arange(len(ranged))
    for name, end, bounds in (("C2", s.first, {"lower": 0.0}), ("C3", s.last, {"upper": 0.0})):
        entries = (
            np.concatenate([here, here]), np.concatenate([n, d[ranged]]),
            np.concatenate([np.ones(len(ranged)), -end[ranged]]),
        )  # fmt: skip
        model.add_rows(name, entries, size=len(ranged), label=lambda k: label(ranged[k]), **bounds)

    line = np.flatnonzero(~single[s.line_of])
    of = s.line_of[line]
    at = np.arange(len(line))
    within = line - np.searchsorted(s.line_of, of)
    stepped = n_of[of] >= 0
    entries = (
        np.concatenate([at, at, at[stepped]]),
        np.concatenate([y_of[of], d[of], n_of[of[stepped]]]),
        np.concatenate(
            [
                np.ones(len(line)),
                -(s.slope[line] * fixed[of] + s.level[line]),
                -(s.slope[line] * s.step[of])[stepped],
            ]
        ),
    )
    model.add_rows("C4", entries, upper=0.0, size=len(line), label=lambda k: f"{label(of[k])},{within[k]}")

    segment, resource, amount = usage(problem, s)
    shared = np.flatnonzero(np.isfinite(table.capacity))
    number = np.full(len(table.capacity), -1)
    number[shared] = np.arange(len(shared))
    bound = number[resource] >= 0
    segment, resource, amount = segment[bound], number[resource[bound]], amount[bound]
    stepped = n_of[segment] >= 0
    entries = (
        np.concatenate([resource, resource[stepped]]),
        np.concatenate([d[segment], n_of[segment[stepped]]]),
        np.concatenate([amount * fixed[segment], (amount * s.step[segment])[stepped]]),
    )
    some = entries[2] != 0
    model.add_rows(
        "C5", tuple(e[some] for e in entries), upper=table.capacity[shared], size=len(shared),
        label=lambda k: table.resource_names[shared[k]],
    )  # fmt: skip
    if problem.instance.max_moves is not None:
        holding = sum(job.holds is not None for job in problem.instance.jobs)
        model.add_rows("C6", (0, d[s.kept == 1], 1.0), lower=holding - problem.instance.max_moves, size=1)
    if least:
        counted = np.flatnonzero(goal.counted(problem.weight))
        place = np.full(len(jobs), -1)
        place[counted] = np.arange(len(counted))
        most = float(problem.value.max(initial=0.0)) * (1 + 2 * problem.error)
        z = model.add_variables("z", 1, upper=most if len(counted) else 0.0, cost=1.0)
        parts = [(np.arange(len(counted)), np.repeat(z, len(counted)), np.ones(len(counted)))]
        for which, column, coefficient in (
            (single, d, alpha * fixed + beta),
            (single & (n_of >= 0), n_of, alpha * s.step),
            (~single, y_of, np.ones(size)),
        ):
            mine = every[which & (place[s.job] >= 0)]
            parts.append((place[s.job[mine]], column[mine], -coefficient[mine]))
        entries = tuple(np.concatenate(c) for c in zip(*parts, strict=True))  # type: ignore[assignment]
        model.add_rows("C7", entries, upper=0.0, size=len(counted), label=lambda k: jobs[counted[k]])

    def read(values: FloatArray) -> IntArray:
        units = np.zeros(size)
        units[ranged] = values[n]
        return rows_at(problem, s, values[d], units)

    def start(rows: IntArray) -> FloatArray:
        values = np.zeros(model.columns)
        for row in rows[rows >= 0].tolist():
            k = _segment_of(problem, s, row)
            units = (int(table.ways.gpus[row]) - s.rest[k]) // s.step[k]
            values[d[k]] = 1.0
            if n_of[k] >= 0:
                values[n_of[k]] = units
            if y_of[k] >= 0:
                mine = s.line_of == k
                values[y_of[k]] = np.min(s.slope[mine] * table.ways.gpus[row] + s.level[mine])
        if least:
            values[-1] = problem.total(rows)
        return values

    return Formulated(model, read=read, start=start, error=s.error)


def _segment_of(problem: Problem, s: Segments, row: int) -> int:
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


def _pyomo(problem: Problem) -> Formulated:
    from formulations.reference.allocation import build as reference

    return reference(problem)


def _cpsat(problem: Problem) -> Formulated:
    from formulations.cpsat.allocation import build as native

    return native(problem)


FORMULATION = Formulation(
    name="allocation",
    decides="GPUs of one type in one site for each job, by piecewise-linear curves",
    supports=supports,
    forms={"linear": build, "pyomo": _pyomo, "cpsat": _cpsat},
)
