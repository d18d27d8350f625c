"""``optsched pareto``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optsched.cli.options import AsJson, Gap, InstanceFile, Limits, Plot, TimeLimit
from optsched.cli.output import print_json, print_no_plan, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from optsched.search.multiobjective.records import FrontierFile

__all__ = ["pareto"]


def pareto(
    instance: InstanceFile,
    objectives: Annotated[str, typer.Option(help="Two objectives, e.g. progress,cost.")],
    points: Annotated[int, typer.Option(min=2, help="Of the grid; equal and worse plans are left out.")] = 9,
    limit: Limits = None,
    time_limit: TimeLimit = None,
    gap: Gap = 1e-4,
    out: Annotated[Path | None, typer.Option(help="Write the points here (JSON).")] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> int:
    """Show what one objective costs another. Each point has its own --time-limit, and none is better in both."""
    from msgspec.structs import replace

    from optsched import load
    from optsched._util.files import write_json
    from optsched._util.plotting import drawable
    from optsched.cli.progress import shown_progress
    from optsched.search.multiobjective import limit_of, objectives_of
    from optsched.search.multiobjective import pareto as traced
    from optsched.search.multiobjective.plot import plot as drawn
    from optsched.search.multiobjective.records import frontier_file

    writable(out, instance)
    writable(plot, instance, out)
    drawable(plot)
    specs = objectives_of(objectives)
    if len(specs) != 2:
        raise InputError("two objectives, e.g. progress,cost", path="--objectives", value=shown(objectives))
    loaded = load(instance)
    limited = replace(loaded, limits=(*loaded.limits, *map(limit_of, limit or ())))
    with shown_progress(time_limit, quiet=as_json) as progress:
        frontier = traced(
            limited, (specs[0], specs[1]), points=points, progress=progress, time_limit=time_limit, gap=gap
        )
    if not frontier.points:
        print_no_plan(frontier.reason, as_json)
        return 1
    file = frontier_file(loaded, limited.limits, frontier)
    if out is not None:
        write_json(out, file)
    if plot is not None:
        drawn(frontier, plot)
    if as_json:
        print_json(file)
    else:
        _print(file)
    return 0


def _print(file: FrontierFile) -> None:
    """Print the points of two objectives, with what is proven of each."""
    from optsched.cli.terminal import console, table

    first, second = (spec.name for spec in file.objectives)
    page = table(first, "gap %", second, "gap %", "jobs run", "status", "plan", left=0)
    for point in file.points:
        cells = []
        for goal in point.goals:
            cells += [f"{goal.value:.6g}", "" if goal.gap is None else f"{100 * goal.gap:.2g}"]
        page.add_row(*cells, str(point.jobs), point.status, point.hash)
    terminal = console()
    terminal.print(page)
    terminal.print(
        f"plans: {len(file.points)}, each checked; gap of {first}: of all plans with as good a {second} as was asked "
        f"for; gap of {second}: of those whose {first} is as good"
    )
