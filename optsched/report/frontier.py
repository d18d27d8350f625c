"""The article of a frontier (``optsched pareto``): what one objective costs another."""

from __future__ import annotations

from typing import Any

from optsched._util.plotting import KINDS, altair
from optsched._util.wording import percent_up
from optsched.report.article import Article, Cell, Picture, Section, TableOf, number

__all__ = ["of_frontier"]


def of_frontier(record: dict[str, Any], title: str = "") -> Article:
    """Return the article of what ``optsched pareto --json`` writes."""
    first, second = (spec.get("name", "progress") for spec in record["objectives"])
    points = record["points"]
    rows: list[list[Cell]] = []
    values = []
    for point in points:
        one, two = point["goals"]
        gaps = ["" if goal.get("gap") is None else percent_up(goal["gap"]) for goal in (one, two)]
        rows.append(
            [point["status"], point.get("hash", ""), one["value"], gaps[0], two["value"], gaps[1], point["jobs"]]
        )
        values.append({"first": one["value"], "second": two["value"], "jobs": point["jobs"], "status": point["status"]})
    alt = altair()
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("second:Q", title=second, scale=alt.Scale(zero=False)),
        y=alt.Y("first:Q", title=first, scale=alt.Scale(zero=False)),
        tooltip=["first:Q", "second:Q", "jobs:Q", "status:N"],
    )
    kinds = ["optimal", "feasible"]
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=alt.Color("status:N", title=None, scale=alt.Scale(domain=kinds, range=list(KINDS[:2]))),
        shape=alt.Shape("status:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "diamond"])),
    )
    chart = (base.mark_line(opacity=0.4, color=KINDS[0]) + dots).properties(width=900, height=380)
    picture = Picture("frontier", f"{first} at each {second}", chart, f"{len(points)} plans: {first} against {second}")
    columns = ["status", "plan", first, "gap", second, "gap", "jobs"]
    sections = [Section("The frontier", [picture, TableOf("Plans", columns, rows, left=2)])]
    said = f"{len(points)} plans, of which none is better in both {first} and {second}"
    facts = [("Objectives", f"{first}, {second}"), ("Plans", number(len(points)))]
    return Article(title or "Frontier", said, facts, sections, good=bool(points))
