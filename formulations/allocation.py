"""Allocation: how many GPUs (and parameter servers) in which pool for each job, with its curve as linear pieces.

Sets
    J        jobs
    S_j      segments of job j: in one pool, counts of GPUs and of parameter servers without a gap.
             Where the GPUs alone are chosen, runs of counts on which the value is concave, up to the
             linearization error; what the job holds now is a segment of its own (a point)
    K_s      lines of segment s, whose minimum over-estimates the value at every count of it; none
             where its value is put in linear terms by an encoding of pieces (optsched.problem.piecewise)
    R        shared resources: GPUs of each pool, CPU cores and memory of each site
    H        jobs that hold something now; T_j in S_j: what job j holds

Parameters
    r_s, m_s             a segment's counts are r_s + m_s n, 0 <= r_s < m_s, for n = A_s, ..., B_s
    A_s, B_s             first and last n of segment s
    P_s, Q_s             fewest and most parameter servers of segment s
    alpha_sk, beta_sk    line k: value <= alpha_sk GPUs + beta_sk
    phi_s(n, p)          where there are no lines: continuous, linear on segments of n (or of p) or on
                         triangles of (n, p), nowhere below the value at integers
    a_jr, e_jr           what one GPU, and one parameter server, of job j takes of resource r
    b_r                  capacity of resource r
    M                    most jobs of H that may lose or change what they hold

Variables
    d_s in {0, 1}        job j runs in segment s; continuous where curvature asks for no binary: if it is
                         the only segment of an optional job, starts at one unit (A_s = 1, r_s = 0) and
                         is concave down to 0 GPUs (all beta_sk >= 0), n_s = 0 and n_s >= 1 make it 0 and 1
    n_s integer >= 0     units of GPUs in segment s (none for a single count, where n_s = A_s d_s)
    p_s integer >= 0     parameter servers in segment s (none for a single number, where p_s = P_s d_s)
    y_s                  value in segment s (only where it has no line or more than one)
    z                    least value of any party, i.e. of a job or a tenant (max-min only)

    g_s = r_s d_s + m_s n_s              the GPUs in segment s
    f_s = y_s, or alpha_s1 g_s + beta_s1 d_s where there is one line

Objective
    maximize  sum_s f_s                  (or z, for max-min)

Constraints
    C1_j    sum_{s in S_j} d_s <= 1      at most one segment (= 1 for a required job)
    C2_s    n_s - A_s d_s >= 0
    C3_s    n_s - B_s d_s <= 0
    C4_sk   y_s - alpha_sk g_s - beta_sk d_s <= 0
    C5_r    sum_j sum_{s in S_j} (a_jr g_s + e_jr p_s) <= b_r
    C6      sum_{j in H} sum_{s in T_j} d_s >= |H| - M      limit on moves (where there is one)
    C7_q    z - sum_{j in q} sum_{s in S_j} f_s <= 0        for every party q (max-min only)
    curve.*, grid.*   y_s <= phi_s(n_s, p_s) if d_s = 1, and n_s = p_s = y_s = 0 if d_s = 0, by an encoding

The bound of the model is a bound for the true curves, since no piece lies below them. Sources: the
hypograph and the multiple choice of segments of Vielma, Ahmed and Nemhauser (Operations Research
2010, sec. 2 and 4); the perspective (d_s in C4) of Frangioni and Gentile (Math. Prog. 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from formulations.curve_segments import LINED, Segments, rows_at, segment_of, segments, usage
from formulations.rows import add_capacities, add_choices, add_least, add_moves
from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.problem.formulation import DEFAULT, Formulated, Formulation, ModelOptions, Support, counts_only
from optsched.problem.piecewise import ENCODINGS, Encoded, encode
from optsched.problem.piecewise.hypograph import HYPOGRAPH
from optsched.problem.problem import Plan, Problem
from optsched.solvers.linear import LinearModel

__all__ = ["ENCODED", "FORMULATION", "build"]

ENCODED = ("auto", "segments", *(e.name for e in ENCODINGS.values() if e.fits is not HYPOGRAPH.fits))
"""Encodings by name: ``segments`` are those of the docstring, one for each number of servers; the others put each
curve in linear terms as a whole. ``auto``: segments without servers, and with servers by curvature and size."""


Label = Callable[[int], str]
"""Names a segment."""


def supports(problem: Problem) -> Support:
    """Every instance that decides on counts only, and whose objective is a sum, or a least value, without limits."""
    if problem.objective.aggregate == "lexmin":
        return Support(False, "it knows the least value only; 'levels' finds the lexicographic order")
    if any(tenant.quotas for tenant in problem.instance.tenants):
        return Support(False, "quotas of tenants are held by 'configuration'")
    if problem.instance.limits or np.any(problem.value < 0):
        return Support(False, "limits on other objectives, and values below 0, are held by 'configuration'")
    if problem.configurations.on_link.any():
        return Support(False, "copies of data between sites are held by 'configuration'")
    return counts_only(problem)


@dataclass(frozen=True)
class _Columns:
    """Where the variables of each segment stand, and what comes with its ``d``, shape ``(segments,)`` each.

    d, n, p, y
        Columns of the model; -1 where a segment has no such variable.
    gpus, servers
        What comes with ``d``: the r_s GPUs, or all of a single count, and the single number of servers.
    alpha, beta
        Of the only line; 0 where there is none or more than one.
    """

    d: IntArray
    n: IntArray
    p: IntArray
    y: IntArray
    gpus: IntArray
    servers: IntArray
    alpha: FloatArray
    beta: FloatArray


def build(problem: Problem, options: ModelOptions = DEFAULT) -> Formulated:
    """Return the model for linear backends."""
    if options.encoding not in ENCODED:
        raise InputError(f"one of {', '.join(ENCODED)}", path="encoding", value=shown(options.encoding))
    s = segments(problem, options.encoding)
    least = problem.objective.aggregate == "min"
    model = LinearModel()

    def label(k: int) -> str:
        return s.label(problem, k)

    at = _variables(model, s, label, least)
    add_choices(model, problem, "C1", s.job, at.d)
    _ranges(model, s, at, label)
    _lines(model, s, at, label)
    _capacities(model, problem, s, at)
    add_moves(model, problem, "C6", at.d[s.kept == 1])
    z = _least(model, problem, s, at) if least else None
    encoded = _encoded(model, s, at, label, "auto" if options.encoding in LINED else options.encoding)

    def read(values: FloatArray) -> Plan:
        units, servers = (np.where(column >= 0, values[column], 0.0) for column in (at.n, at.p))
        return Plan(rows_at(problem, s, values[at.d], units, servers))

    def start(plan: Plan) -> FloatArray:
        values = np.zeros(model.columns)
        _started(problem, s, at, plan, values)
        for part in encoded:
            part.fill(values)
        if z is not None:
            values[z] = problem.total(plan)
        return values

    return Formulated(model, read=read, start=start, error=s.error, notes=_notes(s, encoded))


def _variables(model: LinearModel, s: Segments, label: Label, least: bool) -> _Columns:
    """Add ``d``, ``n``, ``p`` and ``y``, with the objective of a sum."""
    size, single = len(s.job), s.lines == 1
    ranged, spread, valued = (np.flatnonzero(some) for some in (s.ranged, s.spread, ~single))
    alpha, beta = np.zeros(size), np.zeros(size)
    alpha[s.line_of], beta[s.line_of] = s.slope, s.level
    alpha[~single], beta[~single] = 0.0, 0.0
    gpus = s.rest + np.where(s.ranged, 0, s.step * s.first)
    gain = 0.0 if least else 1.0
    d = model.add_variables(
        "d", size, upper=1.0, integer=s.binary.astype(bool), cost=gain * (alpha * gpus + beta), label=label
    )
    n, p, y = (np.full(size, -1) for _ in range(3))
    n[ranged] = model.add_variables(
        "n",
        len(ranged),
        upper=s.last[ranged],
        integer=True,
        cost=gain * (alpha * s.step)[ranged],
        label=lambda k: label(ranged[k]),
    )
    p[spread] = model.add_variables(
        "p", len(spread), upper=s.most[spread], integer=True, label=lambda k: label(spread[k])
    )
    y[valued] = model.add_variables(
        "y", len(valued), lower=s.span[0][valued], upper=s.span[1][valued], cost=gain, label=lambda k: label(valued[k])
    )
    return _Columns(d, n, p, y, gpus, np.where(s.spread, 0, s.fewest), alpha, beta)


def _ranges(model: LinearModel, s: Segments, at: _Columns, label: Label) -> None:
    """Add C2 and C3: the units of a segment that runs are between its first and its last."""
    lined = np.flatnonzero(s.ranged & (s.lines > 0))
    here = np.arange(len(lined))
    for name, end, bounds in (("C2", s.first, {"lower": 0.0}), ("C3", s.last, {"upper": 0.0})):
        entries = (
            np.concatenate([here, here]),
            np.concatenate([at.n[lined], at.d[lined]]),
            np.concatenate([np.ones(len(lined)), -end[lined]]),
        )
        model.add_rows(name, entries, size=len(lined), label=lambda k: label(lined[k]), **bounds)


def _lines(model: LinearModel, s: Segments, at: _Columns, label: Label) -> None:
    """Add C4: the value of a segment of several lines is below each."""
    line = np.flatnonzero(s.lines[s.line_of] != 1)
    of, here = s.line_of[line], np.arange(len(line))
    within = line - np.searchsorted(s.line_of, of)
    stepped = at.n[of] >= 0
    entries = (
        np.concatenate([here, here, here[stepped]]),
        np.concatenate([at.y[of], at.d[of], at.n[of[stepped]]]),
        np.concatenate(
            [
                np.ones(len(line)),
                -(s.slope[line] * at.gpus[of] + s.level[line]),
                -(s.slope[line] * s.step[of])[stepped],
            ]
        ),
    )
    model.add_rows("C4", entries, upper=0.0, size=len(line), label=lambda k: f"{label(of[k])},{within[k]}")


def _capacities(model: LinearModel, problem: Problem, s: Segments, at: _Columns) -> None:
    """Add C5: what is taken of each resource."""
    segment, resource, amount, served = usage(problem, s.job, s.pool)
    stepped, serving = at.n[segment] >= 0, at.p[segment] >= 0
    rows = np.concatenate([resource, resource[stepped], resource[serving]])
    columns = np.concatenate([at.d[segment], at.n[segment[stepped]], at.p[segment[serving]]])
    taken = np.concatenate(
        [
            amount * at.gpus[segment] + served * at.servers[segment],
            (amount * s.step[segment])[stepped],
            served[serving],
        ]
    )
    some = taken != 0
    add_capacities(model, problem, "C5", (rows[some], columns[some], taken[some]))


def _least(model: LinearModel, problem: Problem, s: Segments, at: _Columns) -> IntArray:
    """Add ``z`` and C7, and return the column of ``z``."""
    party, single = problem.party[s.job], s.lines == 1
    values = [
        (party[some], column[some], coefficient[some])
        for some, column, coefficient in (
            (single, at.d, at.alpha * at.gpus + at.beta),
            (single & (at.n >= 0), at.n, at.alpha * s.step),
            (~single, at.y, np.ones(len(party))),
        )
    ]
    return add_least(model, problem, "z", "C7", values, problem.ceiling * (1 + s.error))


def _encoded(model: LinearModel, s: Segments, at: _Columns, label: Label, method: str) -> list[Encoded]:
    """Add the values that have no lines, by an encoding of pieces."""
    argument = (
        ("curve", s.curves, s.curve_of, np.where(s.ranged, at.n, at.p)),
        ("grid", s.grids, s.grid_of, np.column_stack([at.n, at.p])),
    )
    return [
        encode(
            model,
            name,
            pieces,
            argument=columns[which],
            value=at.y[which],
            switch=at.d[which],
            sense="at-most",
            method=method,
            label=lambda k, which=which: label(which[k]),  # type: ignore[misc]
        )
        for name, pieces, which, columns in argument
        if pieces is not None
    ]


def _started(problem: Problem, s: Segments, at: _Columns, plan: Plan, values: FloatArray) -> None:
    """Fill in a plan, up to the parts of encodings."""
    columns = problem.configurations.columns
    for row in plan.rows[plan.rows >= 0].tolist():
        k = segment_of(problem, s, row)
        values[at.d[k]] = 1.0
        if at.n[k] >= 0:
            values[at.n[k]] = (int(columns.gpus[row]) - s.rest[k]) // s.step[k]
        if at.p[k] >= 0:
            values[at.p[k]] = columns.servers[row]
        if s.lines[k] > 1:
            mine = s.line_of == k
            values[at.y[k]] = np.min(s.slope[mine] * columns.gpus[row] + s.level[mine])


def _notes(s: Segments, encoded: list[Encoded]) -> tuple[str, ...]:
    """Say what expresses the values, and why."""
    lined = int((s.lines > 0).sum())
    notes = [f"least of lines for {lined} segments: concave up to the error, or points"] if lined else []
    return (*notes, *(note for part in encoded for note in part.notes))


def _pyomo(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.reference.allocation import build as reference

    return reference(problem, options, None if options.encoding == "pyomo" else build(problem, options))


def _cpsat(problem: Problem, options: ModelOptions) -> Formulated:
    from formulations.cpsat.allocation import build as native

    if options.encoding != "auto":
        expected = "auto: CP-SAT's own form has tables, and no encoding"
        raise InputError(expected, path="encoding", value=shown(options.encoding))
    return native(problem)


FORMULATION = Formulation(
    name="allocation",
    decides="GPUs of one type in one site, and parameter servers, for each job, by piecewise-linear curves",
    supports=supports,
    forms={"linear": build, "pyomo": _pyomo, "cpsat": _cpsat},
    encodings=(*ENCODED, "pyomo"),
)
