"""The commands on several objectives and on limits; each returns its exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec

from optsched.cli.output import print_json, print_no_plan, writable
from optsched.errors import InputError, SolverError, shown
from optsched.files import write_bytes, write_json
from optsched.goals import Frontier, in_order, limit_of, objectives_of
from optsched.goals import pareto as traced
from optsched.instance import Instance, Limit, ObjectiveSpec, fingerprint
from optsched.objectives import objective
from optsched.result import Goal, Result
from optsched.solution import Record

__all__ = ["pareto", "solved"]


def solved(instance: Instance, objectives: str | None, limits: list[str], tolerance: float, **options: Any) -> Result:
    """Solve an instance by objectives and under limits as they stand on a command line."""
    wanted = objectives_of(objectives) if objectives else (instance.objective,)
    more = tuple(map(limit_of, limits))
    limited = msgspec.structs.replace(instance, limits=(*instance.limits, *more))
    result = in_order(limited, wanted, tolerance=tolerance, **options)
    return msgspec.structs.replace(result, instance=fingerprint(instance), limits=more)


class _Row(Record, frozen=True, kw_only=True):
    """A point of the file that ``optsched pareto`` writes."""

    goals: tuple[Goal, ...]
    status: str
    jobs: int
    hash: str


class _File(Record, frozen=True, kw_only=True):
    """The file that ``optsched pareto`` writes."""

    format: str = "optsched-pareto/1"
    instance: str
    objectives: tuple[ObjectiveSpec, ...]
    limits: tuple[Limit, ...]
    points: tuple[_Row, ...]


def pareto(
    instance: Path, objectives: str, points: int, limits: list[str], out: Path | None, plot: Path | None,
    as_json: bool, **options: Any,
) -> int:  # fmt: skip
    """Print, write and draw what one objective costs another."""
    from optsched import load
    from optsched.cli.progress import shown_progress

    writable(out, instance)
    writable(plot, instance, out)
    specs = objectives_of(objectives)
    if len(specs) != 2:
        raise InputError("two objectives, e.g. progress,cost", path="--objectives", value=shown(objectives))
    if plot is not None:
        _altair()  # before any work is done for it
    loaded = load(instance)
    limited = msgspec.structs.replace(loaded, limits=(*loaded.limits, *map(limit_of, limits)))
    with shown_progress(options["time_limit"], quiet=as_json) as progress:
        frontier = traced(limited, (specs[0], specs[1]), points=points, progress=progress, **options)
    if not frontier.points:
        print_no_plan(frontier.reason, as_json)
        return 1
    rows = tuple(
        _Row(
            goals=tuple(
                Goal(objective=spec, value=value, bound=bound, gap=_gap(value, bound))
                for spec, value, bound in zip(specs, point.values, point.bounds, strict=True)
            ),
            status=point.result.status, jobs=len(point.result.allocations), hash=point.result.hash,
        )
        for point in frontier.points
    )  # fmt: skip
    file = _File(instance=fingerprint(loaded), objectives=specs, limits=limited.limits, points=rows)
    if out is not None:
        write_json(out, file)
    if plot is not None:
        write_bytes(plot, _page(frontier).encode())
    if as_json:
        print_json(file)
        return 0
    from optsched.report import print_frontier

    print_frontier(specs, rows)
    return 0


def _gap(value: float, bound: float | None) -> float | None:
    if bound is None:
        return None
    return 0.0 if value == bound else abs(bound - value) / max(1e-12, abs(value))


def _altair() -> Any:
    try:
        import altair
        import vl_convert  # noqa: F401  (altair needs it to write the page whole)
    except ImportError as error:
        raise SolverError(f"{error.name} is not installed: pip install 'optsched[plot]'") from None
    return altair


def _page(frontier: Frontier) -> str:
    """Return a page with the frontier; it opens without a network."""
    alt = _altair()
    data = [
        {"first": p.values[0], "second": p.values[1], "jobs": len(p.result.allocations), "status": p.result.status}
        for p in frontier.points
    ]
    titles = []
    for spec in frontier.objectives:
        goal = objective(spec)
        settings = "".join(f", {key} {json.dumps(value)}" for key, value in spec.parameters.items())
        titles.append(f"{goal.name}{settings}" + (f" ({goal.unit})" if goal.unit else ""))
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("second:Q", title=titles[1], scale=alt.Scale(zero=False)),
        y=alt.Y("first:Q", title=titles[0], scale=alt.Scale(zero=False)),
        tooltip=["first:Q", "second:Q", "jobs:Q", "status:N"],
    )
    line = base.mark_line(interpolate="linear", opacity=0.4)
    dots = base.mark_point(filled=True, size=70).encode(
        color=alt.Color("status:N", scale=alt.Scale(domain=["optimal", "feasible"], range=["#2a7f62", "#d08a1d"]))
    )
    page = io.StringIO()
    chart = (line + dots).properties(
        width=620, height=400, title=f"{frontier.objectives[0].name} at each {frontier.objectives[1].name}"
    )
    chart.save(page, format="html", inline=True)
    return page.getvalue()
