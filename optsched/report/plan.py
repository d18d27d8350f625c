"""The article of a plan: what was proven, who holds what where, how full the cluster is, and how fair it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from optsched._util.wording import clock, sentence, times
from optsched.checker import check
from optsched.checker.recompute import Truth
from optsched.instance import Instance, fingerprint
from optsched.instance.result import Result
from optsched.instance.solution import Allocation
from optsched.report.article import Article, Cell, Section, TableOf, number
from optsched.report.bounds import bound_over_time
from optsched.report.curves import curves
from optsched.report.fairness import fairness
from optsched.report.places import places
from optsched.report.use import prices, use

__all__ = ["of_result", "of_what_if"]


def of_result(result: Result, instance: Instance | None, title: str = "") -> Article:
    """Return the article of a plan; without its instance, what the plan alone tells."""
    if instance is not None:
        known = {job.id for job in instance.jobs}
        if not known.issuperset(a.job for a in result.allocations):
            instance = None
    truth = Truth(instance) if instance is not None else None
    found = [
        *_notes(result, instance),
        *places(result.allocations, instance),
        *(use(result, instance) if instance is not None else ()),
        _jobs(result.allocations, truth),
        *_waits(result, instance),
        *(curves(result.allocations, truth) if truth is not None else ()),
        *prices(result),
        *(fairness(result.allocations, truth) if truth is not None else ()),
        *bound_over_time(result.trace, result.objective.name, result.value, result.bound),
    ]
    name = title or (instance.name if instance is not None else "") or "Plan"
    return Article(
        name, _status(result), _facts(result, instance), found, good=result.status in ("optimal", "feasible")
    )


def _status(result: Result) -> str:
    said = sentence(result.status, result.gap, result.stopped)
    if result.value is None:
        return said + (f": {result.reason}" if result.reason else "")
    bound = "" if result.bound is None else f", bound {result.bound:.6g}"
    return f"{said}: {result.objective.name} {result.value:.6g}{bound}"


def _facts(result: Result, instance: Instance | None) -> list[tuple[str, str]]:
    method = "/".join(filter(None, (result.formulation, result.backend)))
    found = [
        ("Jobs that run", number(len(result.allocations))),
        ("Jobs that wait", number(len(result.waiting))),
        ("GPUs in use", number(sum(a.gpus for a in result.allocations))),
        ("Objective", result.objective.name),
        ("Value", number(result.value, 6) if result.value is not None else "none"),
        ("Bound", number(result.bound, 6) if result.bound is not None else "none is known"),
        ("Checked", _checked(result, instance)),
        ("Method", method),
        ("Time", times(result.total_s, build=result.build_s, solve=result.solve_s)),
        ("Hash of the plan", result.hash),
        ("Decides on", instance.decides if instance is not None else ""),
    ]
    for goal in result.goals[1:]:
        bound = "" if goal.bound is None else f", bound {goal.bound:.6g}"
        found.append((f"Then {goal.objective.name}", f"{goal.value:.6g}{bound}"))
    return [(name, value) for name, value in found if value]


def _checked(result: Result, instance: Instance | None) -> str:
    """Tell what the checker says of the plan here and now."""
    if result.value is None:
        return ""
    if instance is None:
        return "not here: the instance is not at hand"
    limited = structs.replace(instance, limits=(*instance.limits, *result.limits))
    report = check(limited, result.allocations, result.objective, result.value)
    if report.ok:
        return "keeps every rule; the value is as claimed"
    return f"BREAKS {len(report.violations)} rules, first: {report.violations[0]}"


def _notes(result: Result, instance: Instance | None) -> Iterator[Section]:
    said = list(result.notes)
    if instance is None:
        said.insert(0, "The instance is not at hand (--instance FILE): curves, use and fairness are left out.")
    elif fingerprint(instance) != result.instance:
        said.insert(0, "The plan was made for another instance, or for an earlier version of this one.")
    elif instance.decides == "counts" and result.allocations:
        said.append(
            "Decided on counts: pools are large enough, and each job has its fewest nodes; that all fit on the servers "
            'at once is not promised (for that, the instance decides on "placement").'
        )
    if said:
        yield Section("Notes", said)


def _jobs(allocations: Sequence[Allocation], truth: Truth | None) -> Section:
    """Return the table of who holds what."""
    rows: list[list[Cell]] = []
    for a in allocations:
        batch = None if a.local_batch is None else a.local_batch * a.gpus * a.accumulation
        row: list[Cell] = [a.job, a.gpu_type, a.site, a.gpus, a.nodes, a.servers or None, batch, a.gbps]
        rows.append([*row, a.throughput, a.progress, *(_work(truth, a) if truth is not None else (None, None))])
    columns = ["job", "GPU type", "site", "GPUs", "nodes", "parameter servers", "batch", "Gb/s"]
    columns += ["examples/s", "progress", "done in", "total cost"]
    kept = [n for n in range(len(columns)) if n < 5 or any(row[n] is not None for row in rows)]
    table = TableOf("Jobs that run", [columns[n] for n in kept], [[row[n] for n in kept] for row in rows], left=3)
    return Section("Jobs", [table] if rows else ["No job runs."])


def _work(truth: Truth, a: Allocation) -> tuple[str | None, float | None]:
    """Return when a job that keeps its share is done (h:mm:ss from now), and what it costs until then."""
    job = truth.jobs[a.job]
    goodput = a.throughput * truth.efficiency(job, a)
    if job.remaining_examples is None or not goodput > 0:
        return None, None
    seconds = truth.lost_seconds(job, a) + job.remaining_examples / goodput
    price = truth.prices.get(a.site, {}).get(a.gpu_type) or 0.0
    return clock(seconds), price * a.gpus * seconds / 3600 if price else None


def _waits(result: Result, instance: Instance | None) -> Iterator[Section]:
    """Tell which jobs wait and why, as far as the plan says it."""
    if not result.waiting:
        return
    jobs = {job.id: job for job in instance.jobs} if instance is not None else {}
    rows: list[list[Cell]] = []
    for waiting in result.waiting:
        reason = waiting.reason
        job = jobs.get(waiting.job)
        if not reason and job is not None and instance is not None and job.arrival_s > instance.now_s:
            reason = f"arrives in {clock(job.arrival_s - instance.now_s)}"
        rows.append([waiting.job, reason or "the plan does not say"])
    told = Counter(str(row[1]) for row in rows)
    most = [f"{count} × {reason}" for reason, count in told.most_common(5)] if len(rows) > 5 else []
    parts = ["Most frequent: " + "; ".join(most) + "."] if most else []
    ask = "What would let a job run: ask optsched explain INSTANCE PLAN."
    yield Section("Why jobs wait", [*parts, ask, TableOf("Jobs that wait", ["job", "reason"], rows, left=2)])


def of_what_if(result: Result, changes: list[dict[str, Any]], instance: Instance | None, title: str = "") -> Article:
    """Return the article of a plan with those of changed instances side by side (``optsched solve --what-if``)."""
    rows: list[list[Cell]] = [
        ["(as it is)", sentence(result.status, result.gap, result.stopped), result.value, result.bound]
    ]
    rows[0] += [None, None, None, ""]
    for one in changes:
        said = [f"+{len(one['starts'])}" if one["starts"] else "", f"-{len(one['stops'])}" if one["stops"] else ""]
        said.append(f"{len(one['changes'])} change" if one["changes"] else "")
        rows.append(
            [
                one["what_if"], sentence(one["status"], one["gap"], one["stopped"]), one["value"], one["bound"],
                one["difference"], *one["proven_from_to"], ", ".join(filter(None, said)) or "the same",
            ]
        )  # fmt: skip
    columns = ["what if", "status", result.objective.name, "bound", "difference", "proven from", "to", "jobs"]
    article = of_result(result, instance, title)
    return replace(
        article, sections=[Section("What if", [TableOf("Changes", columns, rows, left=2)]), *article.sections]
    )
