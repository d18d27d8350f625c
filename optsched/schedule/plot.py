"""Pictures of schedules: time across, the GPUs of each pool up, one bar a piece of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from optsched._util.plotting import GROUND, INK, OUTSIDE, altair, fitted_label, shade, write_picture
from optsched.instance import Instance
from optsched.instance.pools import Pool, pools
from optsched.schedule.objectives import SLACK
from optsched.schedule.records import Schedule

__all__ = ["Clock", "clock_of", "gantt", "lanes", "plot"]

_WIDTH, _LEAST, _MOST = 1000, 130, 420
"""Of a pool's picture in pixels: its width, and its least and greatest height."""
_KINDS = ["in time", "late", "reserved"]
_EDGES = ["#333333", "#D55E00", "#8a94a0"]
_EVENTS = ["arrival", "deadline"]


class Clock(NamedTuple):
    """Unit of the time axis: its name and its seconds, and the time that is shown in it."""

    unit: str
    seconds: float
    last: float


def clock_of(instance: Instance, schedule: Schedule) -> Clock:
    """Return the unit in which a schedule's times are easy to read, from now until its last run ends."""
    span = max([60.0, *(run.end_s - instance.now_s for run in schedule.runs)])
    unit, seconds = next(
        (name, size)
        for name, size, least in (("days", 86400, 4), ("hours", 3600, 3), ("minutes", 60, 0))
        if span >= least * size
    )
    return Clock(unit, float(seconds), span / seconds)


def plot(instance: Instance, schedule: Schedule, path: Path) -> None:
    """Draw a schedule. Late jobs have a thick edge and say so; reservations are grey."""
    alt = altair()
    charts = [chart.properties(title=str(pool)) for pool, chart in gantt(instance, schedule)]
    write_picture(alt.vconcat(*charts), path, "optsched schedule")


def gantt(instance: Instance, schedule: Schedule) -> list[tuple[Pool, Any]]:
    """Return the chart of each pool: a bar for each piece, arrivals as triangles and deadlines as ticks."""
    bars = list(_bars(instance, schedule))
    clock = clock_of(instance, schedule)
    alt = altair()
    return [(pool, _chart(alt, pool, [b for b in bars if b["pool"] == str(pool)], clock)) for pool in pools(instance)]


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
    clock = clock_of(instance, schedule)
    jobs = {job.id: job for job in instance.jobs}
    number = {job.id: n for n, job in enumerate(instance.jobs)}
    for pool in pools(instance):
        what: list[tuple[float, float, int, str, str]] = [
            (run.start_s, run.end_s, run.gpus, run.job, f"{run.gpus} GPUs on {run.nodes} servers")
            for run in schedule.runs
            if f"{run.gpu_type}@{run.site}" == str(pool)
        ]
        what += [
            (r.start_s, r.end_s, round(r.amount), "", "reserved")
            for r in schedule.horizon.reservations
            if r.resource == str(pool) and r.end_s > now
        ]
        what.sort(key=lambda one: one[0])
        held = lanes([one[:3] for one in what], pool.capacity)
        for (start, end, gpus, job, said), mine in zip(what, held, strict=True):
            of = jobs.get(job)
            due = of.deadline_s if of else None
            kind = "reserved" if of is None else "late" if due is not None and end > due + SLACK else "in time"
            arrival = None if of is None or of.arrival_s <= now else (of.arrival_s - now) / clock.seconds
            for low, high in _side_by_side(mine):
                yield {
                    "pool": str(pool),
                    "job": job or "reserved",
                    "what": said,
                    "GPUs": gpus,
                    "low": low,
                    "high": high,
                    "start": (max(start, now) - now) / clock.seconds,
                    "end": min(clock.last, (end - now) / clock.seconds),
                    "arrival": arrival,
                    "deadline": None if due is None else (due - now) / clock.seconds,
                    "kind": kind,
                    "shade": "#c9ced4" if of is None else shade(number[job]),
                }


def _side_by_side(mine: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the one after the last of each stretch of numbers."""
    begin = 0
    for k in range(1, len(mine) + 1):
        if k == len(mine) or mine[k] != mine[k - 1] + 1:
            yield mine[begin], mine[k - 1] + 1
            begin = k


def _chart(alt: Any, pool: Pool, bars: list[dict[str, Any]], clock: Clock) -> Any:
    """Return the picture of one pool."""
    height = max(_LEAST, min(_MOST, 22 * pool.capacity))
    words = []
    for bar in bars:
        room = (bar["end"] - bar["start"]) / clock.last * _WIDTH
        late = " (late)" if bar["kind"] == "late" else ""
        label = fitted_label(f"{bar['job']}{late}, {bar['GPUs']} GPUs", room)
        short = fitted_label(bar["job"] + late, room)
        label = short if label.endswith("…") else label
        if label and (bar["high"] - bar["low"]) * height / pool.capacity >= 9:
            middle, centre = (bar["start"] + bar["end"]) / 2, (bar["low"] + bar["high"]) / 2
            words.append({"middle": middle, "centre": centre, "label": label})
    events = [
        {
            "job": bar["job"],
            "what": what,
            "time": bar[what],
            "low": bar["low"],
            "high": bar["high"],
            "start": bar["start"],
        }
        for bar in bars
        for what in _EVENTS
        if bar[what] is not None and 0 <= bar[what] <= clock.last
    ]
    x = alt.X("start:Q", title=f"{clock.unit} from now", scale=alt.Scale(domain=[0, clock.last], nice=False))
    up = alt.Scale(domain=[0, pool.capacity], nice=False)
    y = alt.Y("low:Q", title="GPUs", scale=up, axis=alt.Axis(tickMinStep=1))
    boxes = (
        alt.Chart(alt.Data(values=bars))
        .mark_rect()
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            y2="high:Q",
            color=alt.Color("shade:N", scale=None, legend=None),
            stroke=alt.Stroke(
                "kind:N",
                title=None,
                legend=alt.Legend(symbolFillColor="#ffffff"),
                scale=alt.Scale(domain=_KINDS, range=_EDGES),
            ),
            strokeWidth=alt.condition("datum.kind == 'late'", alt.value(3), alt.value(0.8)),
            tooltip=[
                "job:N",
                "what:N",
                "kind:N",
                *(alt.Tooltip(f"{t}:Q", format=".4~g") for t in ("arrival", "start", "end", "deadline")),
            ],
        )
    )
    text = (
        alt.Chart(alt.Data(values=words))
        .mark_text(fontSize=10, color=INK, baseline="middle")
        .encode(x="middle:Q", y="centre:Q", text="label:N")
    )
    marks = alt.Chart(alt.Data(values=events)).transform_calculate(centre="(datum.low + datum.high) / 2")
    shapes = alt.Scale(domain=_EVENTS, range=["triangle-right", "M-0.2,-1L0.2,-1L0.2,1L-0.2,1Z"])
    signs = marks.mark_point(fill=OUTSIDE, stroke=GROUND, strokeWidth=1, opacity=1, size=110).encode(
        x="time:Q",
        y=alt.Y("centre:Q"),
        shape=alt.Shape("what:N", title=None, scale=shapes),
        tooltip=["job:N", "what:N", alt.Tooltip("time:Q", format=".4~g")],
    )
    wait = (
        marks.transform_filter("datum.what == 'arrival'")
        .mark_rule(color="#8a94a0", strokeDash=[3, 3])
        .encode(x="time:Q", x2="start:Q", y="centre:Q")
    )
    return alt.layer(boxes, wait, text, signs).properties(width=_WIDTH, height=height)
