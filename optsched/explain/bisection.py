"""The smallest number of steps that is enough, by few questions: a guess, then doubling, then bisection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optsched.explain.oracle import Verdict

__all__ = ["Smallest", "smallest"]


@dataclass(frozen=True)
class Smallest:
    """``steps`` are enough, and ``less`` are not; ``verdict``: whether any number up to the top is enough.

    proven
        Whether no answer on the way was "unknown", which counts as not enough.
    """

    verdict: Verdict
    steps: int = 0
    less: int = 0
    proven: bool = True


def smallest(enough: Callable[[int], Verdict], guess: int, top: int, whole: bool) -> Smallest:
    """Return the smallest number of steps from 1 to ``top`` that is enough; 0 steps are known not to be.

    Where more is ever worse, it is a number of which the next smaller one that counts is not enough, and not
    necessarily the smallest of all.

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
    # what is unknown above the answer does not matter
    return Smallest("yes", high, low, "unknown" not in {a for steps, a in answers.items() if steps < high})


def _grain(steps: int, whole: bool) -> int:
    return 1 if whole else max(1, steps // 100)
