"""Pictures of a table of runs: profiles, gaps over time, times of each instance, and two tables compared."""

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

__all__ = ["charts", "plot"]

_STEPS = 60
"""Moments at which gaps over time are drawn."""
_LEAST = 1e-6
"""Gaps below this are drawn here, on a logarithmic axis."""


def plot(runs: Sequence[Judged], comparison: Comparison | None, path: Path, shift: float) -> None:
    """Draw profiles, gaps over time and times, of what decides alike below each other."""
    alt = altair()
    rows = []
    for decides in sorted({run.row.decides for run in runs}):
        mine = [run for run in runs if run.row.decides == decides]
        drawn = [chart.properties(title=title) for _, title, chart in charts(mine, decides, shift)]
        beside = alt.hconcat(*drawn[:2]).resolve_scale(color="shared", strokeDash="shared")
        rows.append(alt.vconcat(beside, *drawn[2:]).resolve_scale(color="independent", shape="independent"))
    if comparison is not None and comparison.pairs:
        rows.append(_pairs(alt, comparison))
    write_picture(alt.vconcat(*rows).resolve_scale(color="independent"), path, "optsched bench report")


def charts(runs: Sequence[Judged], decides: str, shift: float) -> list[tuple[str, str, Any]]:
    """Return name, title and chart of each picture of runs whose instances decide alike."""
    alt = altair()
    return [
        ("profile", f"Performance profile, {decides}", _profile(alt, runs, shift)),
        ("gaps", "Gap over time, as claimed", _gaps(alt, runs)),
        ("times", "Each run: seconds until it is proven, or the limit", _times(alt, runs)),
    ]


def _methods(alt: Any, runs: Sequence[Judged], *, dashed: bool) -> dict[str, Any]:
    """Return the encodings that tell methods apart: by colour, and by dashes or shapes for those who see no colours."""
    names = sorted({str(run.method) for run in runs})
    scale = {"domain": names}
    found = {"color": alt.Color("method:N", title="method", scale=alt.Scale(**scale))}
    if dashed:
        return found | {"strokeDash": alt.StrokeDash("method:N", title="method", scale=alt.Scale(**scale))}
    return found


def _profile(alt: Any, runs: Sequence[Judged], shift: float) -> Any:
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
            x=across,
            y=alt.Y("part:Q", title="part proven", scale=alt.Scale(domain=[0, 1])),
            tooltip=["method", "factor", "part"],
            **_methods(alt, runs, dashed=True),
        )
        .properties(width=440, height=240)
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
            y=alt.Y("gap:Q", title="median gap", scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=5)),
            tooltip=["method", "seconds", "gap"],
            **_methods(alt, runs, dashed=True),
        )
        .properties(width=440, height=240)
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
            "end": "proven" if run.proven else "not proven",
            "gap": run.gap,
            "seed": run.row.seed,
        }
        for run in runs
    ]
    return (
        alt.Chart(pl.DataFrame(points))
        .mark_point(filled=True, size=60, opacity=0.9)
        .encode(
            x=alt.X("seconds:Q", scale=alt.Scale(type="log"), title="seconds until proven, or the limit"),
            y=alt.Y("instance:N", title=None, axis=alt.Axis(grid=True)),
            shape=alt.Shape(
                "end:N",
                title="ended",
                scale=alt.Scale(domain=["proven", "not proven"], range=["circle", "triangle-up"]),
            ),
            tooltip=["method", "instance", "seed", "seconds", "end", "gap"],
            **_methods(alt, runs, dashed=False),
        )
        .properties(width=880, height={"step": 18})
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
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("before:Q", scale=log, title="seconds before"),
            color=alt.Color("verdict:N", title="verdict"),
            shape=alt.Shape("verdict:N", title="verdict"),
            y=alt.Y("after:Q", scale=log, title="seconds after"),
            tooltip=["instance", "method", "before", "after", "why"],
        )
    )
    return (equal + dots).properties(title="Before and after", width=420, height=420)
