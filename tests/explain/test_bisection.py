"""The search for the smallest amount: right answers, and answers that do not come."""

from __future__ import annotations

import pytest

from optsched.explain.bisection import smallest
from optsched.explain.oracle import Verdict


@pytest.mark.parametrize("guess", [1, 2, 3, 4, 17, 64])
@pytest.mark.parametrize("least", [1, 2, 3, 33, 64])
def test_the_smallest_number_is_found_and_proven(least: int, guess: int) -> None:
    found = smallest(lambda steps: "yes" if steps >= least else "no", guess, 64, True)
    assert (found.verdict, found.steps, found.less, found.proven) == ("yes", least, least - 1, True)


@pytest.mark.parametrize("after", range(1, 9))
def test_an_unanswered_question_is_no_refusal(after: int) -> None:
    """Three steps are enough; after some questions nothing is answered any more."""
    asked: dict[int, Verdict] = {}

    def enough(steps: int) -> Verdict:
        asked[steps] = "unknown" if len(asked) >= after else "yes" if steps >= 3 else "no"
        return asked[steps]

    found = smallest(enough, 1, 64, True)
    assert found.less == 0 or asked[found.less] == "no"
    assert found.verdict != "no"
    if found.verdict == "yes":
        assert asked[found.steps] == "yes"
        assert found.proven == (found.steps == 3 and found.less == 2)


def test_nothing_is_enough() -> None:
    assert smallest(lambda steps: "no", 2, 64, True).verdict == "no"
    assert smallest(lambda steps: "unknown" if steps == 64 else "no", 2, 64, True).verdict == "unknown"
