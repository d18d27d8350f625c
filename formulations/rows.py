"""Rows that every formulation of plans has, under the names that each gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, positions
from optsched.problem.problem import Problem
from optsched.solvers.linear import LinearModel

__all__ = ["Terms", "add_capacities", "add_choices", "add_least", "add_moves"]

Terms = tuple[IntArray, IntArray, FloatArray]
"""Of what, a column, and its coefficient; shape ``(n,)`` each."""


def add_choices(model: LinearModel, problem: Problem, name: str, job: IntArray, column: IntArray) -> None:
    """Add ``sum of a job's columns <= 1``, ``= 1`` for a required job; ``job``: of each column, shape ``(n,)``."""
    jobs = [one.id for one in problem.instance.jobs]
    required = problem.required.astype(np.float64)
    model.add_rows(name, (job, column, 1.0), lower=required, upper=1.0, size=len(jobs), label=jobs.__getitem__)


def add_capacities(model: LinearModel, problem: Problem, name: str, taken: Terms) -> None:
    """Add ``sum taken <= capacity`` for every resource of pools and sites that has an end."""
    table = problem.configurations
    shared = np.flatnonzero(np.isfinite(table.capacity))
    resource, column, amount = taken
    number = positions(shared, len(table.capacity))[resource]
    bound = number >= 0
    model.add_rows(
        name,
        (number[bound], column[bound], amount[bound]),
        upper=table.capacity[shared],
        size=len(shared),
        label=lambda k: table.resource_names[shared[k]],
    )


def add_moves(model: LinearModel, problem: Problem, name: str, kept: IntArray) -> None:
    """Add ``sum kept >= |H| - M``, where moves are limited; ``kept``: columns of jobs that keep what they hold."""
    if (fewest := problem.instance.fewest_kept) is not None:
        model.add_rows(name, (0, kept, 1.0), lower=fewest, size=1)


def add_least(
    model: LinearModel, problem: Problem, variable: str, name: str, values: Sequence[Terms], ceiling: float
) -> IntArray:
    """Add the least value of any party, to be maximized, and ``it <= sum values`` of each party; return its column.

    Parameters
    ----------
    values
        Parts of the sums, by the number of the party, -1 for what does not count.
    ceiling
        What the least value cannot exceed.
    """
    parties = problem.party_names
    column = model.add_variables(variable, 1, upper=ceiling, cost=1.0)
    parts = [(np.arange(len(parties)), np.repeat(column, len(parties)), np.ones(len(parties)))]
    for party, of, value in values:
        counts = party >= 0
        parts.append((party[counts], of[counts], -value[counts]))
    row, columns, coefficient = (np.concatenate(part) for part in zip(*parts, strict=True))
    model.add_rows(name, (row, columns, coefficient), upper=0.0, size=len(parties), label=parties.__getitem__)
    return column
