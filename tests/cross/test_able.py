"""Which jobs can run while nothing else does: table, checker and brute force, each written for itself, agree."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings

from optsched.checker.alone import runs_alone
from optsched.checker.recompute import Truth
from optsched.instance import Instance
from optsched.problem.configurations.build import tabulate
from tests.support.oracle import able as able_by_counts
from tests.support.placement_instances import made
from tests.support.placement_options import able
from tests.support.strategies import instances

SEEDS = (112, 53, *range(3000, 3120))
"""112: a server cannot send a parameter server's rate. 53: a job ends in time only on the two servers that it holds."""


def agree(instance: Instance, truth: list[bool]) -> None:
    facts = Truth(instance)
    assert [runs_alone(facts, job) for job in instance.jobs] == truth
    assert tabulate(instance).able.tolist() == truth


@pytest.mark.parametrize("decides", ["placement", "network"])
def test_on_servers_and_links(decides: str) -> None:
    kinds = set()
    for seed in SEEDS:
        instance = made(seed, decides)
        truth = [able(instance, job) for job in instance.jobs]
        agree(instance, truth)
        kinds |= set(truth)
    assert kinds == {True, False}


@settings(max_examples=80, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(case=instances(with_servers=True))
def test_by_counts(case: Instance) -> None:
    agree(case, [able_by_counts(case, job) for job in case.jobs])
