"""The trace of a search: recorded, thinned out, and free of claims that its end does not hold."""

from __future__ import annotations

import json
from pathlib import Path

from optsched.report.bounds import bound_over_time
from optsched.search.trace import agreeing, thinned


def test_solve_records_it(results: Path) -> None:
    plan = json.loads((results / "plan.json").read_text())
    last = plan["trace"][-1]
    assert (last[1], last[2]) == (plan["value"], plan["bound"])
    seconds = [point[0] for point in plan["trace"]]
    assert seconds == sorted(seconds)


def test_only_what_gets_better_is_kept() -> None:
    points = [(0.0, 1.0, None), (1.0, 0.5, 9.0), (2.0, 2.0, 10.0), (3.0, None, 8.0)]
    assert thinned(points, 1.0) == ((0.0, 1.0, None), (1.0, 1.0, 9.0), (2.0, 2.0, 9.0), (3.0, 2.0, 8.0))
    many = [(float(n), float(n), None) for n in range(1000)]
    assert len(thinned(many, 1.0)) <= 200
    assert thinned(many, 1.0)[-1] == many[-1]


def test_claims_that_were_not_believed_are_left_out() -> None:
    points = [(0.0, 5.0, 6.0), (1.0, 9.0, 7.5), (2.0, 7.0, 8.0)]  # 9 was no plan, and a bound of 6 was wrong
    assert agreeing(points, 7.0, 7.2, 1.0) == ((0.0, 5.0, None), (1.0, 5.0, 7.5), (2.0, 7.0, 7.2))


def test_without_a_trace_nothing_is_drawn() -> None:
    assert list(bound_over_time((), "progress", 1.0, 2.0)) == []
    assert list(bound_over_time(((0.1, 1.0, 2.0),), "progress", 1.0, 2.0)) == []
    (section,) = bound_over_time(((0.1, 1.0, None), (0.5, 1.5, 2.0)), "progress", 1.5, 2.0)
    assert section.title == "The bound over time"
