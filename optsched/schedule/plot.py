"""Pictures of schedules: time across, the GPUs of each pool up, one rectangle a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from optsched._util.plotting import altair, write_picture
from optsched.instance import Instance
from optsched.instance.pools import Pool, pools
from optsched.schedule.objectives import SLACK
from optsched.schedule.records import Schedule

__all__ = ["lanes", "plot"]


def plot(instance: Instance, schedule: Schedule, path: Path) -> None:
    """Draw a schedule. Late jobs have a red edge; reservations are grey."""
    alt = altair()
    bars = list(_bars(instance, schedule))
    last = _lasts(instance, schedule)
    charts = [_chart(alt, pool, [b for b in bars if b["pool"] == str(pool)], last) for pool in pools(instance)]
    write_picture(alt.vconcat(*charts).resolve_scale(color="shared"), path)


def _lasts(instance: Instance, schedule: Schedule) -> float:
    """Return the minutes until the last run ends."""
    return max([1.0, *((run.end_s - instance.now_s) / 60 for run in schedule.runs)])


def lanes(taken: list[tuple[float, float, int]], capacity: int) -> list[list[int]]:
    """Return which GPUs each of some runs holds, given as (start, end, GPUs) by start.

    The lowest free ones at the start: since no more than there are is held at any time, there are always enough.
    Runs may overlap by the tolerance of times.
    """
    free_at = [float("-inf")] * capacity
    found = []
    for start, end, gpus in taken:
        mine = [lane for lane in range(capacity) if free_at[lane] <= start + 2 * SLACK][:gpus]
        for lane in mine:
            free_at[lane] = end
        found.append(mine)
    return found


def _bars(instance: Instance, schedule: Schedule) -> Iterator[dict[str, Any]]:
    """Yield rectangles: a run, or a part of one whose GPUs do not stand side by side."""
    now = instance.now_s
    deadline = {job.id: job.deadline_s for job in instance.jobs}
    for pool in pools(instance):
        what: list[tuple[float, float, int, str, str]] = [
            (run.start_s, run.end_s, run.gpus, run.job, f"{run.gpus} on {run.nodes} nodes")
            for run in schedule.runs
            if f"{run.gpu_type}@{run.site}" == str(pool)
        ]
        what += [
            (r.start_s, r.end_s, round(r.amount), "reserved", "")
            for r in schedule.horizon.reservations
            if r.resource == str(pool) and r.end_s > now
        ]
        what.sort(key=lambda one: one[0])
        held = lanes([one[:3] for one in what], pool.capacity)
        for (start, end, _, job, gpus), mine in zip(what, held, strict=True):
            due = deadline.get(job)
            for low, high in _side_by_side(mine):
                yield {
                    "pool": str(pool),
                    "job": job,
                    "GPUs": gpus,
                    "low": low,
                    "high": high,
                    "start": (max(start, now) - now) / 60,
                    "end": (end - now) / 60,
                    "deadline": None if due is None else (due - now) / 60,
                    "kind": "reserved" if job == "reserved" else "late" if due and end > due + SLACK else "in time",
                }


def _side_by_side(mine: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the one after the last of each stretch of numbers."""
    begin = 0
    for k in range(1, len(mine) + 1):
        if k == len(mine) or mine[k] != mine[k - 1] + 1:
            yield mine[begin], mine[k - 1] + 1
            begin = k


def _chart(alt: Any, pool: Pool, bars: list[dict[str, Any]], last: float) -> Any:
    """Return the picture of one pool."""
    schema = {
        "pool": pl.String,
        "job": pl.String,
        "GPUs": pl.String,
        "low": pl.Int64,
        "high": pl.Int64,
        "start": pl.Float64,
        "end": pl.Float64,
        "deadline": pl.Float64,
        "kind": pl.String,
    }
    data = pl.DataFrame(bars, schema=schema).with_columns(pl.col("end").clip(upper_bound=last))
    kinds = alt.Scale(domain=["in time", "late", "reserved"], range=["white", "crimson", "grey"])
    base = alt.Chart(data).encode(
        x=alt.X("start:Q", title="minutes from now", scale=alt.Scale(domain=[0, last])),
        x2="end:Q",
        y=alt.Y("low:Q", title="GPUs", scale=alt.Scale(domain=[0, pool.capacity])),
        y2="high:Q",
        tooltip=["job", "GPUs", "start", "end", "deadline", "kind"],
    )
    boxes = base.mark_rect(strokeWidth=1.5).encode(
        color=alt.condition("datum.kind == 'reserved'", alt.value("lightgrey"), alt.Color("job:N", legend=None)),
        stroke=alt.Stroke("kind:N", scale=kinds, title=None),
    )
    words = (
        alt.Chart(data)
        .transform_calculate(middle="(datum.start + datum.end) / 2", centre="(datum.low + datum.high) / 2")
        .transform_filter(f"datum.end - datum.start > {last / 20}")
        .mark_text(fontSize=9)
        .encode(x="middle:Q", y="centre:Q", text="job:N")
    )
    return (boxes + words).properties(title=str(pool), width=900, height=360)
