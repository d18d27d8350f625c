"""The article of a schedule: when which job runs with what, how full the pools are over time, and who is late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optsched._util.plotting import KINDS, altair
from optsched._util.wording import clock, sentence, times
from optsched.instance import Instance, fingerprint
from optsched.instance.pools import pools
from optsched.report.article import Article, Cell, Part, Picture, Section, TableOf, number
from optsched.schedule.checker import check
from optsched.schedule.plot import clock_of, gantt
from optsched.schedule.records import Schedule

__all__ = ["of_schedule"]


def of_schedule(schedule: Schedule, instance: Instance | None, title: str = "") -> Article:
    """Return the article of a schedule; without its instance, the table of what runs when."""
    if instance is not None and not {job.id for job in instance.jobs}.issuperset(run.job for run in schedule.runs):
        instance = None
    notes = list(schedule.notes)
    if instance is None:
        notes.insert(0, "The instance is not at hand (--instance FILE): the Gantt chart is left out.")
    elif fingerprint(instance) != schedule.instance:
        notes.insert(0, "The schedule was made for another instance, or for an earlier version of this one.")
    sections = [Section("Notes", notes)] if notes else []
    if instance is not None and schedule.runs:
        sections += [*_gantt(schedule, instance), _use(schedule, instance)]
    sections.append(_runs(schedule, instance))
    if schedule.rejected:
        rows = [[one.job, one.reason] for one in schedule.rejected]
        sections.append(Section("Left out", [TableOf("Jobs that do not run", ["job", "reason"], rows, left=2)]))
    return Article(
        title or (instance.name if instance is not None else "") or "Schedule",
        _status(schedule),
        _facts(schedule, instance),
        sections,
        good=schedule.status in ("optimal", "feasible"),
    )


def _status(schedule: Schedule) -> str:
    said = sentence(schedule.status, schedule.gap, schedule.stopped)
    if schedule.value is None:
        return said + (f": {schedule.reason}" if schedule.reason else "")
    bound = "" if schedule.bound is None else f", bound {schedule.bound:.6g}"
    return f"{said}: {schedule.horizon.objective} {schedule.value:.6g}{bound}"


def _facts(schedule: Schedule, instance: Instance | None) -> list[tuple[str, str]]:
    due = {} if instance is None else {job.id: job.deadline_s for job in instance.jobs}
    late = sum(run.end_s > limit + 1e-3 for run in schedule.runs if (limit := due.get(run.job)) is not None)
    now = 0.0 if instance is None else instance.now_s
    checked = "not here: the instance is not at hand"
    if instance is not None and schedule.value is not None:
        report = check(instance, schedule.horizon, schedule.runs, schedule.value)
        checked = "keeps every rule; the value is as claimed"
        if not report.ok:
            checked = f"BREAKS {len(report.violations)} rules, first: {report.violations[0]}"
    found = [
        ("Jobs that run", number(len(schedule.runs))),
        ("Left out", number(len(schedule.rejected))),
        ("Late", number(late) if instance is not None else ""),
        ("Last run ends after", clock(max((run.end_s for run in schedule.runs), default=now) - now)),
        ("Objective", schedule.horizon.objective),
        ("Bound", number(schedule.bound, 6) if schedule.bound is not None else "none is known"),
        ("Checked", checked if schedule.value is not None else ""),
        ("Method", "/".join(filter(None, (schedule.formulation, schedule.backend)))),
        ("Time", times(schedule.total_s, build=schedule.build_s, solve=schedule.solve_s)),
        ("Hash of the runs", schedule.hash),
    ]
    return [(name, value) for name, value in found if value]


def _gantt(schedule: Schedule, instance: Instance) -> Iterator[Section]:
    parts: list[Part] = [
        "A bar is a piece of a run. A triangle is an arrival after now, a tick a deadline; late runs have a thick edge."
    ]
    for n, (pool, chart) in enumerate(gantt(instance, schedule)):
        runs = sum(f"{run.gpu_type}@{run.site}" == str(pool) for run in schedule.runs)
        parts.append(Picture(f"gantt-{n}", f"{pool}: {runs} runs", chart, f"runs on {pool} over time: {runs}"))
    yield Section("When which job runs", parts)


def _use(schedule: Schedule, instance: Instance) -> Section:
    """Return how many GPUs of each pool are held over time."""
    alt = altair()
    unit = clock_of(instance, schedule)
    parts: list[Part] = []
    for n, pool in enumerate(pools(instance)):
        runs = [run for run in schedule.runs if f"{run.gpu_type}@{run.site}" == str(pool)]
        steps: dict[float, int] = {instance.now_s: 0}
        for run in runs:
            steps[run.start_s] = steps.get(run.start_s, 0) + run.gpus
            steps[run.end_s] = steps.get(run.end_s, 0) - run.gpus
        values: list[dict[str, Any]] = []
        held = area = 0.0
        before = instance.now_s
        for moment in sorted(steps):
            area += held * (moment - before)
            held, before = held + steps[moment], moment
            values.append({"time": (moment - instance.now_s) / unit.seconds, "GPUs": held})
        values.append({"time": unit.last, "GPUs": held})
        part = area / (pool.capacity * unit.last * unit.seconds)
        chart = (
            alt.Chart(alt.Data(values=values))
            .mark_area(interpolate="step-after", color=KINDS[5], opacity=0.6, line={"color": KINDS[0]})
            .encode(
                x=alt.X("time:Q", title=f"{unit.unit} from now", scale=alt.Scale(domain=[0, unit.last], nice=False)),
                y=alt.Y(
                    "GPUs:Q",
                    title="GPUs in use",
                    scale=alt.Scale(domain=[0, pool.capacity]),
                    axis=alt.Axis(tickMinStep=1),
                ),
            )
            .properties(width=1000, height=110)
        )
        title = f"{pool}: {100 * part:.0f} % of its GPU time until the last run ends"
        parts.append(Picture(f"use-{n}", title, chart, title))
    return Section("Utilization", parts)


def _runs(schedule: Schedule, instance: Instance | None) -> Section:
    now = 0.0 if instance is None else instance.now_s
    due = {} if instance is None else {job.id: job.deadline_s for job in instance.jobs}
    rows: list[list[Cell]] = []
    for run in schedule.runs:
        limit = due.get(run.job)
        batch = None if run.local_batch is None else run.local_batch * run.gpus * run.accumulation
        last = ("", "") if limit is None else (clock(limit - now), clock(limit - run.end_s))
        rows.append(
            [
                run.job, run.gpu_type, run.site, run.gpus, run.nodes, batch, run.throughput, clock(run.start_s - now),
                clock(run.end_s - now), *last,
            ]
        )  # fmt: skip
    columns = ["job", "GPU type", "site", "GPUs", "nodes", "batch", "examples/s", "start", "end", "deadline", "left"]
    said = "Times are h:mm:ss from now; left is the time until the deadline."
    return Section("Runs", [said, TableOf("Runs", columns, rows, left=3)] if rows else ["No job runs."])
