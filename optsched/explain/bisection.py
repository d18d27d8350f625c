"""The smallest number of steps that is enough: a first guess, then doubling, then bisection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optsched.explain.oracle import Verdict

__all__ = ["Smallest", "smallest"]


@dataclass(frozen=True)
class Smallest:
    """What a search for the smallest number of steps found.

    verdict
        Whether any number up to the top is enough; "unknown" where an unanswered question leaves that open.
    steps
        The smallest number that was found to be enough.
    less
        The largest smaller number that is proven not to be enough; 0: the instance as it is.
    proven
        Whether no number that counts lies between ``less`` and ``steps``.
    """

    verdict: Verdict
    steps: int = 0
    less: int = 0
    proven: bool = True


def smallest(enough: Callable[[int], Verdict], guess: int, top: int, whole: bool) -> Smallest:
    """Return the smallest number of steps from 1 to ``top`` that is enough; 0 steps are known not to be.

    Where more is ever worse, it is a number of which the next smaller one that counts is not enough, and not
    necessarily the smallest of all. A question that is not answered is no "no": the search goes on above it, and what
    it finds is not proven to be the smallest.

    Parameters
    ----------
    guess
        Where to begin; a right guess takes two questions.
    whole
        Whether every single step counts; otherwise one percent is close enough.
    """
    answers: dict[int, Verdict] = {}

    def ask(steps: int) -> bool:
        answers[steps] = enough(steps)
        return answers[steps] == "yes"

    low, first = 0, min(max(guess, 1), top)
    high = first if ask(first) else None
    if high is not None and (next_one := high - _grain(high, whole)) > 0:
        if ask(next_one):
            high = next_one
        else:
            low = next_one
    if high is None:
        low = first
        if first == top or not ask(top):
            return Smallest("unknown" if "unknown" in answers.values() else "no", proven=False)
        high = top
        while 2 * low < high:
            if ask(2 * low):
                high = 2 * low
                break
            low = 2 * low
    while high - low > _grain(high, whole):
        middle = (low + high) // 2
        if ask(middle):
            high = middle
        else:
            low = middle
    refused = max((steps for steps, answer in answers.items() if answer == "no" and steps < high), default=0)
    return Smallest("yes", high, refused, high - refused <= _grain(high, whole))


def _grain(steps: int, whole: bool) -> int:
    return 1 if whole else max(1, steps // 100)
