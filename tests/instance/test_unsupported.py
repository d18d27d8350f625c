"""What cannot keep a rule of shared clusters names it."""

from __future__ import annotations

import pytest

import optsched
from optsched.errors import InputError
from optsched.instance.unsupported import refuse_rules, rules_in
from optsched.schedule import plan
from tests.support.builders import instance, job

QUOTAS = instance(job(tenant="t"), tenants=[{"id": "t", "quotas": [{"nominal": 2}]}])
CLASSES = instance(job(priority="high"), priority_classes=[{"id": "high"}], aging={"every_s": 60.0})
PINNED = instance(job(pinned=True, current={"gpu_type": "v", "gpus": 2}))


@pytest.mark.parametrize(
    ("case", "names"),
    [(QUOTAS, ["quotas"]), (CLASSES, ["priority_classes", "aging"]), (PINNED, ["pinned"]), (instance(job()), [])],
)
def test_rules_are_named(case, names):
    assert list(rules_in(case)) == names
    if not names:
        refuse_rules(case, "this")
        return
    with pytest.raises(InputError, match=names[0]):
        refuse_rules(case, "this")


def test_schedules_refuse_them():
    with pytest.raises(InputError, match="a schedule cannot keep"):
        plan(QUOTAS)


def test_a_plan_to_start_from_is_no_worse_and_a_wrong_one_is_left_out():
    case = instance(job("a"), job("b"))
    best = optsched.solve(case)
    again = optsched.solve(case, start=best.allocations)
    assert again.value == pytest.approx(best.value)
    wrong = (*best.allocations, *best.allocations)
    assert optsched.solve(case, start=wrong).value == pytest.approx(best.value)
