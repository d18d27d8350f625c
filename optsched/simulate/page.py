"""A page about a sweep, whole in one file: the table, completion times, GPUs in use, and who ran where and when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optsched._util.plotting import altair, write_picture
from optsched.simulate.outcome import Outcome
from optsched.simulate.summary import summary

__all__ = ["write_page"]

_MOST_BARS = 20_000
"""Bars of the Gantt chart; of longer simulations the first ones are drawn, and the page says so."""

_POINTS = 400


def write_page(outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the page; it opens without a network. Drag and scroll in the charts to move and to zoom."""
    alt = altair()
    with alt.data_transformers.disable_max_rows():
        charts = [
            _table(alt, rows),
            _completions(alt, outcomes),
            _use(alt, outcomes),
            *(_gantt(alt, outcome, number) for number, outcome in enumerate(_one_seed(outcomes))),
        ]
        write_picture(alt.vconcat(*charts).resolve_scale(color="independent"), path, "Simulated policies")


def _table(alt: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """The summary of the sweep as text."""
    header, lines = summary(rows)
    values = [
        {"line": number, "column": name, "text": text}
        for number, line in enumerate(lines)
        for name, text in zip(header, line, strict=True)
    ]
    return (
        alt.Chart(alt.Data(values=values), title="Means over seeds", width=900, height=24 * len(lines))
        .mark_text(fontSize=10, limit=110)
        .encode(
            x=alt.X("column:N", sort=header, title=None, axis=alt.Axis(orient="top", labelAngle=0, labelLimit=70)),
            y=alt.Y("line:O", axis=None),
            text="text:N",
        )
    )


def _one_seed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the first seed's outcome of each workload and policy."""
    first: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        first.setdefault((outcome.tables.workload.name, outcome.policy), outcome)
    return list(first.values())


def _title(outcome: Outcome) -> str:
    return f"{outcome.tables.workload.name} {outcome.policy}".strip()


def _completions(alt: Any, outcomes: Sequence[Outcome]) -> Any:
    """Part of the jobs that are completed within a time."""
    values = []
    for outcome in _one_seed(outcomes):
        times = np.sort(outcome.completion[np.isfinite(outcome.completion)])
        at = np.unique(np.linspace(0, max(0, len(times) - 1), _POINTS).astype(np.int64))[: len(times)]
        values += [
            {"policy": _title(outcome), "hours": float(times[k]) / 3600, "part": (int(k) + 1) / len(times)} for k in at
        ]
    return (
        alt.Chart(alt.Data(values=values), title="Completion times", width=900, height=260)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("hours:Q", title="completion time (h)", scale=alt.Scale(type="symlog")),
            y=alt.Y("part:Q", title="part of the jobs"),
            color=alt.Color("policy:N"),
        )
        .interactive(name="completion")
    )


def _use(alt: Any, outcomes: Sequence[Outcome]) -> Any:
    """GPUs that are held over time."""
    values = []
    for outcome in _one_seed(outcomes):
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
            {"policy": _title(outcome), "hours": float(x) / 3600, "GPUs": float(y)}
            for x, y in zip(grid, up - down, strict=True)
        ]
    return (
        alt.Chart(alt.Data(values=values), title="GPUs in use", width=900, height=200)
        .mark_line(interpolate="step-after")
        .encode(x=alt.X("hours:Q", title="time (h)"), y=alt.Y("GPUs:Q"), color=alt.Color("policy:N"))
        .interactive(name="use")
    )


def _gantt(alt: Any, outcome: Outcome, number: int) -> Any:
    """Who held which GPUs when: a bar from the first GPU over as many as the job had."""
    tables = outcome.tables
    base = np.concatenate([[0], np.cumsum(tables.capacity)])
    values = []
    for s in outcome.segments[:_MOST_BARS]:
        job, t = tables.jobs[s.job], int(tables.row_type[s.row])
        low = int(base[t]) + s.first
        values.append(
            {
                "job": job.id, "application": job.application or "rigid", "type": tables.types[t], "GPUs": s.gpus,
                "from": s.begin / 3600, "to": s.end / 3600, "low": low, "high": low + s.gpus,
            }
        )  # fmt: skip
    cut = f" (the first {_MOST_BARS} of {len(outcome.segments)} bars)" if len(outcome.segments) > _MOST_BARS else ""
    return (
        alt.Chart(alt.Data(values=values), title=f"{_title(outcome)}: who held which GPUs{cut}", width=900, height=320)
        .mark_rect(stroke="white", strokeWidth=0.3)
        .encode(
            x=alt.X("from:Q", title="time (h)"),
            x2="to:Q",
            y=alt.Y("low:Q", title="GPU", scale=alt.Scale(domain=[0, int(base[-1])])),
            y2="high:Q",
            color=alt.Color("application:N"),
            tooltip=["job:N", "application:N", "type:N", "GPUs:Q", "from:Q", "to:Q"],
        )
        .interactive(name=f"gantt{number}")
    )
