"""The search of `solve` by splits, and what follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

import optsched
from optsched.solvers.subprocess import client
from tests.support import solver_faults as faults

INSTANCE = Path(__file__).parents[2] / "instances" / "micro" / "shared-link.json"
BEST = 2.594
"""By hand: docs/formulations/network.md."""


def solved():
    return optsched.solve(optsched.load(INSTANCE), gap=1e-5, time_limit=60)


def test_what_is_left_of_a_small_cluster_is_searched_by_splits():
    result = solved()
    assert any(note.startswith("branch_and_bound: ") for note in result.notes)
    assert (result.status, result.value) == ("optimal", pytest.approx(BEST, abs=1e-3))


@pytest.mark.parametrize("fault", faults.ENDS, ids=lambda fault: fault.__name__)
def test_when_it_fails_the_model_of_single_servers_has_the_last_word(fault, monkeypatch):
    monkeypatch.setitem(client.ENTRIES, "branch_and_bound", faults.entry(fault))
    result = solved()
    assert any(note.startswith("branch_and_bound: branch and bound failed") for note in result.notes)
    assert (result.status, result.value) == ("optimal", pytest.approx(BEST, abs=1e-3))


def test_its_answer_is_the_same_each_time():
    first, second = solved(), solved()
    assert (first.value, first.bound, first.allocations) == (second.value, second.bound, second.allocations)
