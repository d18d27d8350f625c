"""Which parallelism plan: those that fit, the fastest or cheapest, and what does not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from optsched.advise.offers import Offer
from optsched.advise.plans import advise_plans, offers_of_types
from optsched.cli import answer
from optsched.errors import InputError
from optsched.prediction.language_models.shipped import shipped

OFFER = Offer("a100-80", "a100-80", np.full(2, 8), 2.0, 80.0)


def test_the_fastest_plan_that_fits() -> None:
    advice = advise_plans(shipped(), "llama3-8b", offers_of_types(["a100-80"], [16]), gpus=[16])
    best = advice.recommended
    assert (best.gpus, best.tensor * best.pipeline * best.data) == (16, 16)
    assert best.memory_gb <= 80
    assert best == advice.front[0]
    assert best.time_low_s < best.time_s < best.time_high_s


def test_what_does_not_fit_is_said_with_its_number() -> None:
    advice = advise_plans(shipped(), "llama3-8b", [OFFER], gpus=[2, 8])
    assert any("does not fit" in text and "of 80 GB" in text for text in advice.left_out)
    with pytest.raises(InputError, match="a plan that fits"):
        advise_plans(shipped(), "llama3-70b", [OFFER], gpus=[1])


def test_prices_and_deadlines_choose_the_number_of_gpus() -> None:
    free = advise_plans(shipped(), "llama3-8b", [OFFER], tokens=1e9)
    deadline = free.front[0].time_high_s * 1.5
    advice = advise_plans(shipped(), "llama3-8b", [OFFER], tokens=1e9, deadline_s=deadline)
    best = advice.recommended
    assert best.risk is not None
    assert best.risk <= 0.1
    sure = [o.cost or 0.0 for o in advice.front if (o.risk or 0.0) <= 0.1]
    assert best.cost == min(sure)
    assert best.cost == pytest.approx(best.gpus * 2.0 * best.time_s / 3600)


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["advise", "--model", "llama3-8b", "--gpu", "a100-80", "--gpus", "16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recommended"]["gpus"] == 16
    assert found["recommended"] in found["front"]
    assert answer(["advise", "--model", "llama3-8b"]) == 2
    assert "--gpu" in capsys.readouterr().err
    assert answer(["advise", "--model", "llama3-8b", "--gpu", "abacus"]) == 2
    assert answer(["advise", "--model", "no-such-model", "--gpu", "a100-80"]) == 2
    assert "--curves" in capsys.readouterr().err
