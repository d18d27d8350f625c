"""What a table of runs comes to: who solved what, shifted geometric means, integrals, profiles.

A run is identified by its *case*, i.e. instance, objective, limits and seed, and its method. All verdicts rest on
what the checker verified; a claim that another run refutes counts as a failure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched._util.numeric import relative
from optsched.bench.spec import Method
from optsched.bench.table import Row

__all__ = [
    "Case",
    "Judged",
    "Score",
    "best_values",
    "geometric_mean",
    "judged",
    "latest",
    "method_of",
    "primal_integral",
    "profile",
    "scores",
]

TOLERANCE = 2e-6
"""Relative difference of objectives that says nothing: twice that of the checker."""

Case = tuple[str, str, float, float | None, int, float | None, int]
"""Fingerprint, objective, gap, time limit, threads, memory limit, seed."""


def method_of(row: Row) -> Method:
    """Return the method of a run."""
    return Method(row.formulation, row.encoding, row.backend, tuple(filter(None, row.without.split(","))))


def _case(row: Row) -> Case:
    return row.fingerprint, row.objective, row.gap, row.time_limit, row.threads, row.memory_gb, row.seed


def latest(rows: Iterable[Row]) -> list[Row]:
    """Return the last run of each method on each case: earlier ones are of earlier versions."""
    found: dict[tuple[Case, Method], Row] = {}
    for row in rows:
        key = _case(row), method_of(row)
        if key not in found or row.timestamp >= found[key].timestamp:
            found[key] = row
    return list(found.values())


@dataclass(frozen=True)
class Judged:
    """A run, and what is to be thought of it.

    refuted
        Why its claim is false, by another run's plan, or by the checker; empty where nothing speaks against it.
    proven
        Whether it ended with a verified plan within the gap of its bound, or with a claim of infeasibility.
    reached
        Whether its verified plan is within the gap of the best one that is known, proven or not.
    time_s
        Until it was proven; its time limit where it was not, or at least what it took where there is none.
    integral_s
        Primal integral over the time limit (:func:`primal_integral`).
    gap
        Verified, at most 1; 1 where there is no plan or no bound.
    """

    row: Row
    method: Method
    case: Case
    refuted: str
    proven: bool
    reached: bool
    time_s: float
    integral_s: float
    gap: float


def best_values(rows: Iterable[Row]) -> dict[tuple[str, str], float]:
    """Return the best verified value of each instance and objective."""
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.verified_status == "feasible" and (value := row.verified_objective) is not None:
            key = row.fingerprint, row.objective
            best[key] = (min if row.sense == "least" else max)(value, best.get(key, value))
    return best


def judged(rows: Sequence[Row], best: Mapping[tuple[str, str], float] | None = None) -> list[Judged]:
    """Judge the runs of methods that take their instances, each compared with all others on the same instance.

    Parameters
    ----------
    best
        Best value known of each instance and objective; None: that of the runs.
    """
    most = best_values(rows) if best is None else best
    slowest: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        key = row.fingerprint, row.objective
        slowest[key] = max(slowest[key], row.total_s or 0.0)
    found = []
    for row in rows:
        if row.outcome == "unsupported":
            continue
        key = row.fingerprint, row.objective
        top, limit = most.get(key), row.time_limit or slowest[key]
        refuted = _refuted(row, top)
        feasible = not refuted and row.verified_status == "feasible"
        within = row.verified_gap is not None and row.verified_gap <= row.gap + TOLERANCE
        proven = (
            row.outcome == "done"
            and not refuted
            and (row.claimed_status == "infeasible" or (feasible and row.claimed_status == "optimal" and within))
        )
        value = row.verified_objective
        reached = (proven and value is None) or (
            feasible and value is not None and top is not None and _distance(value, top) <= row.gap + TOLERANCE
        )
        taken = row.total_s if row.total_s is not None else limit
        known = feasible and row.verified_gap is not None
        found.append(
            Judged(
                row,
                method_of(row),
                _case(row),
                refuted,
                proven,
                reached,
                taken if proven else max(limit, taken),
                limit if refuted else primal_integral(row, top, limit),
                min(1.0, row.verified_gap or 0.0) if known else 1.0,
            )
        )
    return found


def _distance(value: float, best: float) -> float:
    return relative(abs(value - best), best)


def _refuted(row: Row, best: float | None) -> str:
    """Return why a claim is false; empty where nothing speaks against it."""
    if row.verified_status == "violated":
        return f"the plan breaks rules: {row.violations}"
    if row.disbelieved:
        return row.disbelieved
    if best is None:
        return ""
    if row.claimed_status == "infeasible":
        return f"it is called infeasible, and a plan of {best:.9g} is known"
    bound = row.claimed_bound
    sign = -1.0 if row.sense == "least" else 1.0
    if bound is not None and sign * (best - bound) > TOLERANCE * max(abs(best), abs(bound), 1e-9):
        return f"the bound {bound:.9g} is claimed, and a plan of {best:.9g} is known"
    return ""


def primal_integral(row: Row, best: float | None, limit: float) -> float:
    """Return the integral of the primal gap over the time up to the limit, in seconds.

    Berthold, ORL 41 (2013), sec. 2: the gap of a value v to the best one b is |v - b| / max(|v|, |b|), and 1 without a
    plan, or where their signs differ. What a search says of its plans on the way may be the model's over-estimate; it
    counts no more than the best one known.
    Where there is nothing to find, since the instance is infeasible, the gap is 1 until that is proven.
    """
    if best is None:
        return min(limit, row.total_s or limit) if row.claimed_status == "infeasible" else limit
    area, since, gap = 0.0, 0.0, 1.0
    for seconds, value, _ in row.trace:
        if value is None:
            continue
        at = min(seconds, limit)
        area += gap * (at - since)
        since, largest = at, max(abs(value), abs(best))
        over = value < best if row.sense == "least" else value > best
        gap = 0.0 if over or largest < 1e-12 else 1.0 if value * best < 0 else abs(value - best) / largest
    return area + gap * max(0.0, limit - since)


def geometric_mean(times: Sequence[float] | FloatArray, shift: float) -> float:
    """Return the shifted geometric mean exp(mean(log(t + s))) - s, which neither the least times nor the most rule.

    Mittelmann's benchmarks, and Achterberg ("Constraint Integer Programming", 2007, app. A.3); s is in seconds.
    """
    if len(times) == 0:
        return float("nan")
    return float(np.exp(np.mean(np.log(np.asarray(times, dtype=np.float64) + shift))) - shift)


def profile(runs: Sequence[Judged], shift: float = 0.0) -> dict[Method, tuple[FloatArray, FloatArray]]:
    """Return performance profiles (Dolan and Moré, Math. Prog. 91 (2002), sec. 2).

    For each method, the factors tau and the part of its cases that it proves within tau times the time of the fastest
    method there; the limit for large tau is the part that it proves at all. Cases that none proves count for all who
    tried; those that a method does not take do not count for it. ``shift`` seconds are added to all times.
    """
    fastest: dict[Case, float] = {}
    for run in runs:
        if run.proven:
            fastest[run.case] = min(run.time_s, fastest.get(run.case, np.inf))
    ratios: dict[Method, list[float]] = defaultdict(list)
    for run in runs:
        ratio = (run.time_s + shift) / max(1e-9, fastest[run.case] + shift) if run.proven else np.inf
        ratios[run.method].append(ratio)
    found = {}
    for method, each in ratios.items():
        known = np.sort([ratio for ratio in each if np.isfinite(ratio)])
        found[method] = known, np.arange(1, len(known) + 1) / len(each)
    return found


@dataclass(frozen=True)
class Score:
    """What a method comes to over its runs.

    runs, unsupported, failed, refuted, proven, reached
        How many.
    time_s
        Shifted geometric mean of :attr:`Judged.time_s`.
    to_best
        Shifted geometric mean of the times, over that of the fastest method on the same cases.
    gap, integral_s, peak_mb
        Medians; the mean of the integrals.
    """

    method: Method
    runs: int
    unsupported: int
    failed: int
    refuted: int
    proven: int
    reached: int
    time_s: float
    to_best: float
    gap: float
    integral_s: float
    peak_mb: float | None


def scores(rows: Sequence[Row], runs: Sequence[Judged], shift: float) -> list[Score]:
    """Return the score of each method that takes at least one case, the best first."""
    fastest: dict[Case, float] = {}
    own: dict[Method, list[Judged]] = defaultdict(list)
    for run in runs:
        fastest[run.case] = min(run.time_s, fastest.get(run.case, np.inf))
        own[run.method].append(run)
    refused: dict[Method, int] = defaultdict(int)
    for row in rows:
        refused[method_of(row)] += row.outcome == "unsupported"
    found = []
    for method, mine in own.items():
        logs = [np.log((run.time_s + shift) / (fastest[run.case] + shift)) for run in mine]
        memory = [run.row.peak_mb for run in mine if run.row.peak_mb is not None]
        found.append(
            Score(
                method,
                len(mine),
                refused[method],
                sum(run.row.outcome == "failed" for run in mine),
                sum(bool(run.refuted) for run in mine),
                sum(run.proven for run in mine),
                sum(run.reached for run in mine),
                geometric_mean([run.time_s for run in mine], shift),
                float(np.exp(np.mean(logs))),
                float(np.median([run.gap for run in mine])),
                float(np.mean([run.integral_s for run in mine])),
                float(np.median(memory)) if memory else None,
            )
        )
    return sorted(found, key=lambda score: (-score.proven / score.runs, score.to_best, score.method))
