"""Pictures of frontiers: one objective across, the other up, one point a plan."""

from __future__ import annotations

import json
from pathlib import Path

from optsched._util.plotting import KINDS, altair, write_picture
from optsched.instance import ObjectiveSpec
from optsched.instance.objectives import objective
from optsched.search.multiobjective.pareto import Frontier

__all__ = ["plot"]


def plot(frontier: Frontier, path: Path) -> None:
    """Draw a frontier."""
    alt = altair()
    first, second = frontier.objectives
    data = [
        {"first": p.values[0], "second": p.values[1], "jobs": len(p.result.allocations), "status": p.result.status}
        for p in frontier.points
    ]
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("second:Q", title=_title(second), scale=alt.Scale(zero=False)),
        y=alt.Y("first:Q", title=_title(first), scale=alt.Scale(zero=False)),
        tooltip=["first:Q", "second:Q", "jobs:Q", "status:N"],
    )
    kinds = ["optimal", "feasible"]
    line = base.mark_line(interpolate="linear", opacity=0.4, color=KINDS[0])
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        color=alt.Color("status:N", title="status", scale=alt.Scale(domain=kinds, range=list(KINDS[:2]))),
        shape=alt.Shape("status:N", title="status", scale=alt.Scale(domain=kinds, range=["circle", "diamond"])),
    )
    chart = (line + dots).properties(width=760, height=420, title=f"{first.name} at each {second.name}")
    write_picture(chart, path, "optsched pareto")


def _title(spec: ObjectiveSpec) -> str:
    goal = objective(spec)
    settings = "".join(f", {key} {json.dumps(value)}" for key, value in spec.parameters.items())
    return f"{goal.name}{settings}" + (f" ({goal.unit})" if goal.unit else "")
