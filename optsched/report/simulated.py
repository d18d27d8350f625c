"""The article of simulations that were just made: policies, jobs, GPUs in use, and who held which GPUs when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optsched._util.plotting import altair, shade
from optsched.report.article import Article, Part, Picture, Section
from optsched.report.simulation import of_jobs, of_rows
from optsched.simulate.outcome import Outcome
from optsched.simulate.outputs import jobs_table

__all__ = ["of_outcomes"]

_MOST_BARS = 8_000
"""Bars of the Gantt charts together; of longer simulations the first ones are drawn, and the page says so."""
_POINTS = 400


def of_outcomes(outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]]) -> Article:
    """Return the article of simulations and of their rows; charts over time are of the first seed."""
    first: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        first.setdefault((outcome.tables.workload.name, outcome.policy), outcome)
    shown = list(first.values())
    article = of_rows(rows)
    if not shown:
        return article
    gantts: list[Part] = [_gantt(outcome, n, _MOST_BARS // len(shown)) for n, outcome in enumerate(shown)]
    more = [
        *of_jobs(jobs_table(shown)).sections,
        Section("GPUs in use", [_use(shown)]),
        Section("Who held which GPUs", [*gantts, "Drag and scroll in a chart to move and to zoom it."]),
    ]
    return replace(article, sections=[*article.sections, *more])


def _title(outcome: Outcome) -> str:
    return f"{outcome.tables.workload.name} {outcome.policy}".strip()


def _use(outcomes: Sequence[Outcome]) -> Picture:
    """Return the GPUs that are held over time."""
    values: list[dict[str, Any]] = []
    for outcome in outcomes:
        begins = np.array([s.begin for s in outcome.segments])
        ends = np.array([s.end for s in outcome.segments])
        gpus = np.array([s.gpus for s in outcome.segments], dtype=np.float64)
        if not len(gpus):
            continue
        order, until = np.argsort(begins), np.argsort(ends)
        grid = np.linspace(begins.min(), ends.max(), _POINTS)
        up = np.concatenate([[0.0], np.cumsum(gpus[order])])[np.searchsorted(begins[order], grid, side="right")]
        down = np.concatenate([[0.0], np.cumsum(gpus[until])])[np.searchsorted(ends[until], grid, side="right")]
        values += [
            {"policy": _title(outcome), "hours": float(f"{x / 3600:.6g}"), "GPUs": float(y)}
            for x, y in zip(grid, up - down, strict=True)
        ]
    alt = altair()
    names = [_title(outcome) for outcome in outcomes]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("hours:Q", title="time (h)"),
            y=alt.Y("GPUs:Q"),
            color=alt.Color("policy:N", title=None, scale=alt.Scale(domain=names)),
            strokeDash=alt.StrokeDash("policy:N", title=None, scale=alt.Scale(domain=names)),
        )
        .properties(width=980, height=200)
    )
    return Picture("use", "GPUs in use over time", chart, "GPUs that are held over time by each policy")


def _gantt(outcome: Outcome, number: int, most: int) -> Picture:
    """Return who held which GPUs when: a bar from the first GPU over as many as the job had."""
    tables = outcome.tables
    base = np.concatenate([[0], np.cumsum(tables.capacity)])
    values = []
    for s in outcome.segments[:most]:
        job, t = tables.jobs[s.job], int(tables.row_type[s.row])
        low = int(base[t]) + s.first
        values.append(
            {
                "job": job.id, "application": job.application or "rigid", "type": tables.types[t], "GPUs": s.gpus,
                "from": float(f"{s.begin / 3600:.6g}"), "to": float(f"{s.end / 3600:.6g}"),
                "low": low, "high": low + s.gpus, "shade": shade(s.job),
            }
        )  # fmt: skip
    alt = altair()
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_rect(stroke="#333333", strokeWidth=0.3)
        .encode(
            x=alt.X("from:Q", title="time (h)"),
            x2="to:Q",
            y=alt.Y("low:Q", title="GPU", scale=alt.Scale(domain=[0, int(base[-1])], nice=False)),
            y2="high:Q",
            color=alt.Color("shade:N", scale=None, legend=None),
            tooltip=["job:N", "application:N", "type:N", "GPUs:Q", "from:Q", "to:Q"],
        )
        .properties(width=980, height=300)
        .interactive(name=f"gantt{number}")
    )
    cut = f" (the first {most} of {len(outcome.segments)} bars)" if len(outcome.segments) > most else ""
    kinds = ", ".join(f"{low} to {high - 1}: {t}" for t, low, high in zip(tables.types, base, base[1:], strict=False))
    title = f"{_title(outcome)}{cut}; GPUs {kinds}"
    return Picture(f"gantt-{number}", title, chart, f"who held which GPUs when, by {_title(outcome)}")
