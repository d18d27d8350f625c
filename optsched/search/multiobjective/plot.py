"""Pictures of frontiers: one objective across, the other up, one point a plan."""

from __future__ import annotations

import json
from pathlib import Path

from optsched._util.plotting import altair, write_picture
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
    line = base.mark_line(interpolate="linear", opacity=0.4)
    dots = base.mark_point(filled=True, size=70).encode(
        color=alt.Color("status:N", scale=alt.Scale(domain=["optimal", "feasible"], range=["#2a7f62", "#d08a1d"]))
    )
    write_picture((line + dots).properties(width=620, height=400, title=f"{first.name} at each {second.name}"), path)


def _title(spec: ObjectiveSpec) -> str:
    goal = objective(spec)
    settings = "".join(f", {key} {json.dumps(value)}" for key, value in spec.parameters.items())
    return f"{goal.name}{settings}" + (f" ({goal.unit})" if goal.unit else "")
