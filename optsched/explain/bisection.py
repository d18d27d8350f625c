"""The smallest number of steps that is enough: a first guess at it, then doubling, then bisection."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.explain.goodput_floors import with_job
from optsched.explain.oracle import Verdict
from optsched.explain.rules import Lever
from optsched.instance import Instance
from optsched.problem.configurations import tabulate
from optsched.problem.problem import Problem
from optsched.search.prices import price

__all__ = ["Guesser", "Smallest", "smallest"]


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


class Guesser:
    """First candidates for one job, from prices and its own configurations; a wrong one costs one question."""

    def __init__(self, problem: Problem, job: str, seconds: float = 10.0) -> None:
        self.problem, self.job = problem, job
        self.number = next(k for k, one in enumerate(problem.instance.jobs) if one.id == job)
        self.prices: FloatArray | None = None
        if (
            problem.objective.aggregate == "sum"
            and problem.instance.decides == "counts"
            and len(problem.configurations)
        ):
            self.prices = price(problem, deadline=time.monotonic() + seconds, gap=1e-3).prices

    def __call__(self, lever: Lever) -> int:
        """Return a number of steps."""
        what = lever.key.partition(":")[0]
        if what in ("deadline", "budget"):
            return max(1, math.ceil(self._own(what) / lever.step * (1 - 1e-12)))
        rows = np.flatnonzero(self.problem.configurations.job == self.number)
        if len(rows) == 0:
            return 1
        if what == "weight":
            return self._weight(rows, lever)
        if what == "gpus":
            table = self.problem.configurations
            row = rows[np.argmax(self.problem.value[rows] - self._cost()[rows])]
            return int(table.columns.gpus[row])
        return 1

    def _cost(self) -> FloatArray:
        """Return what each row costs at the prices, shape ``(n,)``; 0 without any."""
        table = self.problem.configurations
        row, resource, amount = table.used
        if self.prices is None:
            return np.zeros(len(table))
        cost: FloatArray = np.bincount(row, weights=amount * self.prices[resource], minlength=len(table)).astype(float)
        return cost

    def _weight(self, rows: IntArray, lever: Lever) -> int:
        """Return how many steps of weight lift the best row over its cost, where values are multiples of the weight."""
        value, cost = self.problem.value[rows], self._cost()[rows]
        if not (value > 0).any():
            return 1
        factor = float((cost[value > 0] / value[value > 0]).min())
        return max(1, math.ceil((factor - 1) / lever.step))

    def _own(self, what: str) -> float:
        """Return by how much a deadline or a budget must rise for the job to have a configuration at all."""
        instance: Instance = self.problem.instance
        job = instance.jobs[self.number]
        field = "deadline_s" if what == "deadline" else "budget"
        table = tabulate(with_job(instance, job.id, **{field: None}))
        rows = np.flatnonzero(table.job == self.number)
        if len(rows) == 0 or job.remaining_examples is None:
            return 1.0
        seconds = job.remaining_examples / table.columns.goodput[rows]
        if what == "deadline":
            lost = np.where((job.holds is not None) & ~table.kept[rows], job.restart_s, 0.0)
            return float((instance.now_s + lost + seconds).min()) - (job.deadline_s or 0.0)
        price_of = np.array([pool.hourly_price for pool in table.pools])[table.columns.pool[rows]]
        return float((price_of * table.columns.gpus[rows] * seconds / 3600).min()) - (job.budget or 0.0)
