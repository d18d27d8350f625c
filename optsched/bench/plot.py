"""Pictures of a table of runs: profiles, gaps over time, times of each instance, and two tables beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from optsched._util.numeric import relative
from optsched._util.plotting import altair, write_picture
from optsched.bench.compare import Comparison
from optsched.bench.scores import Judged, profile

__all__ = ["plot"]

_STEPS = 60
"""Moments at which gaps over time are drawn."""
_LEAST = 1e-6
"""Gaps below this are drawn here, on a logarithmic axis."""


def plot(runs: Sequence[Judged], comparison: Comparison | None, path: Path, shift: float) -> None:
    """Draw profiles, gaps over time and times, of what decides alike side by side."""
    alt = altair()
    rows = []
    for decides in sorted({run.row.decides for run in runs}):
        mine = [run for run in runs if run.row.decides == decides]
        rows.append(alt.hconcat(_profile(alt, mine, decides, shift), _gaps(alt, mine), _times(alt, mine)))
    if comparison is not None and comparison.pairs:
        rows.append(_pairs(alt, comparison))
    write_picture(alt.vconcat(*rows).resolve_scale(color="independent"), path)


def _profile(alt: Any, runs: Sequence[Judged], decides: str, shift: float) -> Any:
    """Return the part of its cases that each method proves within a factor of the fastest."""
    points: list[dict[str, Any]] = []
    curves = profile(runs, shift)
    last = 1.1 * max((float(known[-1]) for known, _ in curves.values() if len(known)), default=1.0)
    for method, (known, part) in curves.items():
        known, part = np.append(known, last), np.append(part, part[-1] if len(part) else 0.0)
        points += [{"method": str(method), "factor": a, "part": b} for a, b in zip(known, part, strict=True)]
    across = alt.X("factor:Q", title=f"time / fastest, {shift:g} s added", scale=alt.Scale(type="log"))
    return (
        alt.Chart(pl.DataFrame(points))
        .mark_line(interpolate="step-after")
        .encode(
            x=across, y=alt.Y("part:Q", title="part proven"), color="method:N", tooltip=["method", "factor", "part"]
        )
        .properties(title=f"Performance profile, {decides}", width=330, height=240)
    )


def _gaps(alt: Any, runs: Sequence[Judged]) -> Any:
    """Return the median gap of each method over time, by its own word."""
    most = max([run.row.total_s or 0.0 for run in runs] + [0.02])
    moments = np.geomspace(0.01, most, _STEPS)
    own: dict[str, list[list[float]]] = defaultdict(list)
    for run in runs:
        steps = [(s, _gap(value, bound)) for s, value, bound in run.row.trace]
        known = [next((gap for s, gap in reversed(steps) if s <= at), 1.0) for at in moments]
        own[str(run.method)].append([1.0] * _STEPS if run.refuted else known)
    points = [
        {"method": method, "seconds": at, "gap": max(_LEAST, gap)}
        for method, each in own.items()
        for at, gap in zip(moments.tolist(), np.median(each, axis=0).tolist(), strict=True)
    ]
    return (
        alt.Chart(pl.DataFrame(points))
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("seconds:Q", scale=alt.Scale(type="log")),
            color="method:N",
            y=alt.Y("gap:Q", title="median gap", scale=alt.Scale(type="log")),
            tooltip=["method", "seconds", "gap"],
        )
        .properties(title="Gap over time, as claimed", width=330, height=240)
    )


def _gap(value: float | None, bound: float | None) -> float:
    if value is None or bound is None:
        return 1.0
    return min(1.0, relative(abs(bound - value), value))


def _times(alt: Any, runs: Sequence[Judged]) -> Any:
    """Return the time of every run."""
    points = [
        {
            "method": str(run.method),
            "instance": run.row.instance,
            "seconds": max(1e-4, run.time_s),
            "proven": run.proven,
            "gap": run.gap,
            "seed": run.row.seed,
        }
        for run in runs
    ]
    return (
        alt.Chart(pl.DataFrame(points))
        .mark_point()
        .encode(
            x=alt.X("seconds:Q", scale=alt.Scale(type="log"), title="seconds until proven, or the limit"),
            y=alt.Y("instance:N", title=None),
            color="method:N",
            shape="proven:N",
            tooltip=["method", "instance", "seed", "seconds", "proven", "gap"],
        )
        .properties(title="Each run", width=330)
    )


def _pairs(alt: Any, comparison: Comparison) -> Any:
    """Return the times before and after."""
    points = pl.DataFrame(
        [
            {
                "instance": pair.instance,
                "method": str(pair.method),
                "before": max(1e-4, pair.before_s),
                "after": max(1e-4, pair.after_s),
                "verdict": "regressed" if pair.worse else pair.verdict,
                "why": pair.worse,
            }
            for pair in comparison.pairs
        ]
    )
    low, high = (f(points["before"].to_list() + points["after"].to_list()) for f in (min, max))
    log = alt.Scale(type="log", domain=[low / 1.2, high * 1.2])
    line = pl.DataFrame({"before": [low, high], "after": [low, high]})
    equal = alt.Chart(line).mark_line(color="grey", strokeDash=[4, 4]).encode(x="before:Q", y="after:Q")
    dots = (
        alt.Chart(points)
        .mark_point()
        .encode(
            x=alt.X("before:Q", scale=log, title="seconds before"),
            color="verdict:N",
            y=alt.Y("after:Q", scale=log, title="seconds after"),
            tooltip=["instance", "method", "before", "after", "why"],
        )
    )
    return (equal + dots).properties(title="Before and after", width=330, height=330)
