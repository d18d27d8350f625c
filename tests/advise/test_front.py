"""The front is exactly what no other row beats."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optsched.advise.front import pareto

FEW = st.tuples(*[st.integers(0, 4)] * 3)


def beaten(rows: list[tuple[int, ...]], number: int) -> bool:
    """Tell whether another row is nowhere larger and somewhere smaller, or equal and earlier."""
    mine = rows[number]
    return any(
        all(a <= b for a, b in zip(other, mine, strict=True)) and (other != mine or k < number)
        for k, other in enumerate(rows)
        if k != number
    )


@given(st.lists(FEW, min_size=1, max_size=40))
def test_the_front_is_that_of_brute_force(rows: list[tuple[int, ...]]) -> None:
    columns = np.array(rows, dtype=np.float64).T
    found = pareto(*columns).tolist()
    assert sorted(found) == [k for k in range(len(rows)) if not beaten(rows, k)]
    assert found == sorted(found, key=lambda k: rows[k][0])


def test_what_takes_longer_and_costs_more_is_beaten() -> None:
    hours, cost = np.array([27.8, 16.3]), np.array([14.64, 13.01])
    assert pareto(hours, cost, np.zeros(2)).tolist() == [1]
