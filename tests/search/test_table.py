"""``solve_table``: arrays in, arrays out; against enumeration of all plans, and HiGHS on the integer program."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optsched import InputError, LinearLimit, check_table, solve_table
from optsched.checker import arrays


def best_by_enumeration(table):
    """Return the value of the best plan that the checker accepts; None if there is none."""
    value = np.asarray(table["value"])
    ways = range(-1, value.shape[1])
    reports = [check_table(rows, **table) for rows in product(ways, repeat=len(value))]
    return max((report.value for report in reports if report.ok), default=None)


@st.composite
def tables(draw):
    """Draw a small matrix of values: missing ways, several resources, holdings, moves, limits, required jobs."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    jobs, ways, resources = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    value = random.choice([0.5, 1.0, 2.0, 3.7, 9.1], (jobs, ways)) * random.uniform(0.5, 1.5, (jobs, ways)).round(1)
    value[random.random((jobs, ways)) < 0.15] = np.nan
    table = {
        "value": value,
        "pool": random.integers(-1, resources, ways),
        "gpus": random.integers(1, 5, ways).astype(float),
        "capacity": random.integers(0, 9, resources).astype(float),
    }
    if draw(st.booleans()):
        table["uses"] = random.choice([0.0, 0.5, 1.0], (ways, resources))
    if draw(st.booleans()):
        table["required"] = random.random(jobs) < 0.3
    if draw(st.booleans()):
        table["current"] = random.integers(-1, ways, jobs)
        table["restart_cost"] = random.choice([0.0, 0.2, 5.0])
        if draw(st.booleans()):
            table["max_moves"] = int(random.integers(0, jobs + 1))
    if draw(st.integers(0, 2)) == 0:
        amount = random.integers(0, 4, (jobs, ways)).astype(float)
        table["limits"] = [
            LinearLimit(amount, at_most=float(random.integers(1, 9))),
            LinearLimit(value > 1, at_least=float(random.integers(0, 2))),
        ]
    return table


@settings(max_examples=150, deadline=None)
@given(tables())
def test_the_best_of_all_plans(table):
    found, best = solve_table(**table, gap=0.0), best_by_enumeration(table)
    if best is None:
        assert found.status == "infeasible"
        assert (found.rows, found.value) == (None, None)
        assert found.reason
        return
    assert found.status == "optimal"
    assert found.value == pytest.approx(best, rel=1e-7, abs=1e-9)
    assert found.bound >= best - 1e-7 * abs(best)
    report = check_table(found.rows, **table, claimed=found.value)
    assert report.ok
    assert report.used.tolist() == found.used.tolist()


@settings(max_examples=60, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_rows_in_any_order_are_the_same_table(table, random):
    value = table["value"]
    jobs = len(value)
    job, way = (part.ravel() for part in np.indices(value.shape))
    order = list(range(value.size))
    random.shuffle(order)
    job, way = job[order], way[order]
    flat = {
        **table,
        "value": value[job, way],
        "job": job,
        "pool": table["pool"][way],
        "gpus": table["gpus"][way],
        "required": np.broadcast_to(table.get("required", False), jobs),
    }
    if "uses" in table:
        from scipy.sparse import csr_array

        flat["uses"] = csr_array(table["uses"][way])
    if "current" in table:
        place = np.empty(value.shape, dtype=int)
        place[job, way] = np.arange(value.size)
        now = table["current"]
        flat["current"] = np.where(now >= 0, place[np.arange(jobs), np.maximum(now, 0)], -1)
    if "limits" in table:
        flat["limits"] = [
            LinearLimit(np.asarray(one.amount)[job, way], one.at_least, one.at_most) for one in table["limits"]
        ]
    one, other = solve_table(**table, gap=0.0), solve_table(**flat, gap=0.0)
    assert one.status == other.status
    if one.value is not None:
        assert other.value == pytest.approx(one.value, rel=1e-9, abs=1e-12)
        assert check_table(other.rows, **flat, claimed=one.value).ok


def random_matrix(jobs, seed=0):
    """Return values of jobs on 1 to 16 GPUs of two types, as the keywords of ``solve_table``."""
    random = np.random.default_rng(seed)
    gpus = np.tile([1, 2, 4, 8, 16], 2)
    speed = random.uniform(0.5, 2, (jobs, 1)) * np.repeat([1.0, 1.7], 5)
    value = speed * gpus ** random.uniform(0.4, 0.95, (jobs, 1))
    return {"value": value, "pool": np.repeat([0, 1], 5), "gpus": gpus, "capacity": [2 * jobs, jobs]}


def test_the_same_as_highs_on_the_integer_program():
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    table = random_matrix(60)
    value = table["value"]
    jobs, ways = value.shape
    job = np.repeat(np.arange(jobs), ways)
    each = csr_array((np.ones(value.size), (job, np.arange(value.size))))
    taken = csr_array((np.tile(table["gpus"], jobs), (np.tile(table["pool"], jobs), np.arange(value.size))))
    program = milp(
        -value.ravel(),
        integrality=np.ones(value.size),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(each, ub=np.ones(jobs)), LinearConstraint(taken, ub=table["capacity"])],
        options={"mip_rel_gap": 0.0},
    )
    found = solve_table(**table, gap=1e-9)
    assert found.value == pytest.approx(-program.fun, rel=1e-8)
    assert found.status == "optimal"


def test_prices_bound_every_plan():
    table = random_matrix(300)
    found = solve_table(**table, gap=1e-3)
    best = (table["value"] - table["gpus"] * found.prices[table["pool"]]).max(axis=1)
    dual = found.prices @ table["capacity"] + np.maximum(best, 0).sum()
    assert found.value <= found.bound <= dual * (1 + 1e-12)
    assert found.gap <= 1e-3


def test_the_next_round_begins_from_the_last_prices():
    table = random_matrix(3000)
    first = solve_table(**table)
    table["value"] = table["value"] * np.random.default_rng(1).uniform(0.98, 1.02, (3000, 1))
    cold, warm = solve_table(**table), solve_table(**table, prices=first)
    assert warm.status == cold.status == "optimal"
    assert warm.passes < cold.passes
    assert solve_table(**table, prices=first.prices).value == warm.value


def test_a_held_row_is_kept_where_a_move_costs_more_than_it_gains():
    table = {"value": [[3.0, 4.0]], "pool": [0, 0], "gpus": [1, 2], "capacity": [2], "current": [0]}
    assert solve_table(**table, restart_cost=0.5).rows.tolist() == [1]
    assert solve_table(**table, restart_cost=0.5).value == 3.5
    assert solve_table(**table, restart_cost=1.5).rows.tolist() == [0]
    assert solve_table(**table, max_moves=0).rows.tolist() == [0]


def test_sizes_of_any_unit():
    for unit in (1e-9, 1.0, 1e15):
        found = solve_table([[3.0, 5.0], [3.0, 4.0]], [0, 0], np.array([1, 2]) * unit, [3 * unit], gap=0.0)
        assert found.rows.tolist() == [1, 0]
        assert found.status == "optimal"


def test_edges():
    nothing = solve_table(np.empty((0, 3)), [0, 0, 0], [1, 1, 1], [4])
    assert (nothing.status, nothing.value, nothing.rows.tolist()) == ("optimal", 0.0, [])
    none = solve_table(np.full((2, 3), np.nan), [0, 0, 0], [1, 1, 1], [4])
    assert (none.status, none.value, none.rows.tolist()) == ("optimal", 0.0, [-1, -1])
    full = solve_table([[1.0], [2.0]], [0], [1], [0])
    assert (full.status, full.value, full.bound) == ("optimal", 0.0, 0.0)
    free = solve_table([[1.0, 2.0], [-3.0, -1.0]], capacity=[])
    assert (free.value, free.rows.tolist()) == (3.0 - 1.0, [1, -1])
    wrong = solve_table([[1.0], [2.0]], [0], [3], [2], required=[True, False])
    assert (wrong.status, wrong.bound) == ("infeasible", -np.inf)
    assert "job 0 must run" in wrong.reason


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"value": [1.0, 2.0]}, "value"),
        ({"value": [[1.0, np.inf]]}, "value"),
        ({"value": [["a", "b"]]}, "value"),
        ({"pool": [0, 7]}, "pool"),
        ({"pool": [0, 0, 0]}, "pool"),
        ({"gpus": [1, -2]}, "gpus"),
        ({"capacity": [np.nan]}, "capacity"),
        ({"capacity": [-1]}, "capacity"),
        ({"required": [True, False]}, "required"),
        ({"current": [2]}, "current"),
        ({"restart_cost": [1, 2]}, "restart_cost"),
        ({"restart_cost": -1.0, "current": [0]}, "restart_cost"),
        ({"max_moves": -1}, "max_moves"),
        ({"limits": [LinearLimit([1, 1])]}, r"limits\[0\]"),
        ({"limits": [LinearLimit([1, 1, 1], at_most=3)]}, r"limits\[0\]"),
        ({"uses": [[1.0, 2.0]]}, "uses"),
        ({"prices": [-1.0]}, "prices"),
        ({"gap": -1.0}, "gap"),
        ({"time_limit": 0.0}, "time_limit"),
    ],
)
def test_bad_arrays_are_named(change, path):
    table = {"value": [[1.0, 2.0]], "pool": [0, 0], "gpus": [1, 2], "capacity": [2]} | change
    with pytest.raises(InputError, match=path):
        solve_table(**table)


def test_the_checker_names_what_a_plan_breaks():
    table = {"value": [[1.0, np.nan], [2.0, 3.0]], "pool": [0, 0], "gpus": [1, 2], "capacity": [2]}
    table |= {"required": [True, False], "current": [0, 0], "restart_cost": 0.5}
    assert check_table([0, 0], **table).ok

    broken = set()

    def rules(rows, **more):
        found = {violation.rule for violation in check_table(rows, **table, **more).violations}
        broken.update(found)
        return found

    assert rules([1, -1]) == {"value"}
    assert rules([0, 1]) == {"capacity"}
    assert rules([-1, 1]) == {"required"}
    assert rules([0, 2]) == {"row"}
    assert rules([0, -1], max_moves=0) == {"max-moves"}
    assert rules([0, 0], claimed=4.0) == {"claimed-value"}
    assert rules([0, 0], limits=[LinearLimit([1, 1], at_most=1)]) == {"limit"}
    assert rules([0, -1], limits=[LinearLimit([1, 1], at_least=2)]) == {"limit"}
    assert check_table([-1, 1], **table).value == 2.5
    named = re.findall(r'Violation\(\s*"([a-z-]+)"', Path(arrays.__file__).read_text())
    assert set(named) == broken  # every rule of tables is broken here


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([0, 1, 2]))
def test_rounded_values_leap_from_multiple_to_multiple(table, decimals):
    table = {**table, "value": table["value"].round(decimals), "restart_cost": 0.0}
    found, best = solve_table(**table, gap=1e-9), best_by_enumeration(table)
    if best is None:
        assert found.status == "infeasible"
    else:
        assert found.value == pytest.approx(best, rel=1e-9, abs=1e-12)
        assert found.bound == pytest.approx(best, rel=1e-9, abs=1e-12)


def test_rounded_values_are_proven_by_the_leap_between_sums():
    table = random_matrix(400, seed=3)
    table["value"] = (1.1 - (table["value"] / table["value"].min(axis=1, keepdims=True)) ** -0.5).round(2)
    found = solve_table(**table, gap=1e-6)
    assert found.status == "optimal"
    assert found.gap <= 1e-6
    assert found.bound * 100 == pytest.approx(round(found.bound * 100), abs=1e-6)
