"""Plans that are changed at random: the checker and a second one, which shares no code with it, judge them alike."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from msgspec.structs import replace

import optsched
from benchmarks.campaign import counted
from tests.support.builders import instance, job
from tests.support.naive_checker import legal, mutants
from tests.support.placement_instances import made


@pytest.mark.parametrize("decides", ["counts", "placement", "network"])
def test_the_checkers_agree(decides: str) -> None:
    right = wrong = 0
    for seed in (6, *range(200, 212)):
        case = counted(seed) if decides == "counts" else made(seed, decides)
        if sum(group.gpus for group in case.cluster.servers if group.gpu_type) > 1000:
            continue  # brute force counts GPU by GPU
        found = optsched.solve(case, gap=1e-2, time_limit=5).allocations
        for plan in chain([list(found)], mutants(case, found, random.Random(seed), 30)):
            ok = legal(case, plan)
            assert optsched.check(case, plan).ok == ok, (seed, plan)
            right, wrong = right + ok, wrong + (not ok)
    assert min(right, wrong) > 50


def test_passes_need_a_batch() -> None:
    case = instance(job("a"))
    (one,) = optsched.solve(case).allocations
    assert optsched.check(case, [one]).ok
    assert [v.rule for v in optsched.check(case, [replace(one, accumulation=2)]).violations] == ["batch"]
