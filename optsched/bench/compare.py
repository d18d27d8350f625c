"""Two tables of runs compared: ratios of time, wins and losses, and what got worse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optsched._util.numeric import relative
from optsched.bench.scores import TOLERANCE, Judged
from optsched.bench.spec import Method

__all__ = ["Comparison", "Pair", "compare"]

Verdict = Literal["faster", "slower", "same"]


@dataclass(frozen=True)
class Pair:
    """The same method on the same instance under the same limits, before and after; over seeds, the medians.

    ratio
        Time after over time before, each with the shift added; below 1 is faster.
    worse
        Why it counts as a regression; empty where it does not.
    """

    instance: str
    method: Method
    seeds: int
    before_s: float
    after_s: float
    ratio: float
    verdict: Verdict
    worse: str


@dataclass(frozen=True)
class Comparison:
    """All pairs, and how many runs of either table have no counterpart."""

    pairs: tuple[Pair, ...]
    only_before: int
    only_after: int

    @property
    def ratio(self) -> float:
        """Geometric mean of the ratios; nan without a pair."""
        return float(np.exp(np.mean([np.log(pair.ratio) for pair in self.pairs]))) if self.pairs else float("nan")

    @property
    def regressions(self) -> tuple[Pair, ...]:
        """Return what got worse."""
        return tuple(pair for pair in self.pairs if pair.worse)


def compare(before: Sequence[Judged], after: Sequence[Judged], *, threshold: float, shift: float) -> Comparison:
    """Compare the runs that two tables share.

    A pair has regressed if its ratio exceeds the threshold, if it was proven and is no more, if its plan is worse
    by more than the gap that was asked for, or if its claim is refuted now and was not.

    Parameters
    ----------
    threshold
        Ratio of times, > 1; ratios between it and its inverse are neither wins nor losses.
    shift
        Seconds added to both times, so that milliseconds do not count.
    """
    earlier = {(run.case, run.method): run for run in before}
    later = {(run.case, run.method): run for run in after}
    both = [key for key in later if key in earlier]
    groups: dict[tuple[object, Method], list[tuple[Judged, Judged]]] = defaultdict(list)
    for case, method in both:
        groups[case[:-1], method].append((earlier[case, method], later[case, method]))
    pairs = tuple(_pair(method, runs, threshold, shift) for (_, method), runs in groups.items())
    ordered = tuple(sorted(pairs, key=lambda pair: -pair.ratio))
    return Comparison(ordered, len(earlier) - len(both), len(later) - len(both))


def _pair(method: Method, runs: Sequence[tuple[Judged, Judged]], threshold: float, shift: float) -> Pair:
    was, now = (float(np.median([run[side].time_s for run in runs])) for side in (0, 1))
    ratio = (now + shift) / (was + shift)
    verdict: Verdict = "slower" if ratio > threshold else "faster" if ratio < 1 / threshold else "same"
    reasons = {reason for pair in runs if (reason := _worse(*pair))}
    if verdict == "slower":
        reasons.add(f"{ratio:.2f} times as slow")
    return Pair(runs[0][1].row.instance, method, len(runs), was, now, ratio, verdict, "; ".join(sorted(reasons)))


def _worse(was: Judged, now: Judged) -> str:
    """Return what is worse of a run apart from its time."""
    if now.refuted and not was.refuted:
        return now.refuted
    if was.proven and not now.proven:
        return f"no longer proven ({now.row.reason or now.row.stopped or now.row.outcome})"
    old, new = was.row.verified_objective, now.row.verified_objective
    if was.refuted or old is None:
        return ""
    if new is None:
        return "no plan any more"
    loss = new - old if now.row.sense == "least" else old - new
    if relative(loss, old) > now.row.gap + TOLERANCE:
        return f"its plan is worth {new:.9g}, and was {old:.9g}"
    return ""
