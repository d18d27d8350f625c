"""Oracle: ask the solver for the best value of an instance, or whether it has a plan at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from optsched.instance import Instance, ObjectiveSpec, trust
from optsched.instance.objectives import objective
from optsched.instance.result import Result
from optsched.search.solve import solve

__all__ = ["Asker", "Report", "Verdict", "verdict"]

Verdict = Literal["yes", "no", "unknown"]
Report = Callable[[str], None]
"""Is told what is being asked, for people who wait."""


@dataclass
class Asker:
    """Asks :func:`optsched.solve`, and counts.

    gap
        Relative gap of every answer.
    seconds
        Most of one question; None: no limit.
    deadline
        Of all questions, on the clock of ``time.monotonic``; then every answer is "unknown".
    report, about
        Who is told of every question, and what they are about.
    questions, alone
        How many were asked, and how many of the answers that there is no plan rest on the word of one solver.
    interrupted
        Whether the user has interrupted a question: then no more are asked.
    """

    spec: ObjectiveSpec
    gap: float = 1e-4
    seconds: float | None = 60.0
    deadline: float | None = None
    report: Report | None = None
    about: str = ""
    questions: int = 0
    alone: int = 0
    interrupted: bool = False

    @classmethod
    def within(
        cls, time_limit: float | None, spec: ObjectiveSpec, gap: float, seconds: float | None, report: Report | None
    ) -> Self:
        """Return an asker with a time limit in seconds for all its questions; None: no limit."""
        return cls(spec, gap, seconds, None if time_limit is None else time.monotonic() + time_limit, report)

    @property
    def sign(self) -> float:
        """1 for an objective that is maximized, -1 for one that is minimized."""
        return objective(self.spec).sign

    def left(self) -> float | None:
        """Return the seconds that the next question may take; None: any."""
        whole = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        known = [s for s in (whole, self.seconds) if s is not None]
        return min(known) if known else None

    @property
    def late(self) -> bool:
        """Whether no more can be asked."""
        if self.interrupted:
            return True
        left = self.left()
        return left is not None and left <= 0.0

    def best(self, instance: Instance, spec: ObjectiveSpec | None = None, *, gap: float | None = None) -> Result | None:
        """Return the best plan of an instance, within the gap unless another is given; None where no time is left."""
        return self._asked(instance, spec or self.spec, self.gap if gap is None else gap)

    def possible(self, instance: Instance) -> Verdict:
        """Tell whether an instance has a plan: "no" is proven, and "yes" is a plan that was checked."""
        # any plan will do: a gap of 1 ends the search at the first one that half the bound is known of
        return verdict(self._asked(instance, ObjectiveSpec(name="running"), 1.0))

    def _asked(self, instance: Instance, spec: ObjectiveSpec, gap: float) -> Result | None:
        left = self.left()
        if self.late:
            return None
        self.questions += 1
        if self.report is not None:
            self.report(f"{self.about}: question {self.questions}")
        found = solve(trust(instance), objective=spec, gap=gap, time_limit=left)
        if found.stopped == "interrupted":
            self.interrupted = True
        self.alone += any("on the word of one solver" in note for note in found.notes)
        return found

    def doubts(self, before: int = 0) -> tuple[str, ...]:
        """Return a note on the answers since ``alone`` was ``before``, if any rests on the word of one solver."""
        count = self.alone - before
        return (f"{count} answers that there is no plan rest on the word of one solver",) if count else ()


def verdict(found: Result | None) -> Verdict:
    """Return whether a result shows a plan, proves that there is none, or neither."""
    if found is None or found.status == "unknown":
        return "unknown"
    return "no" if found.status == "infeasible" else "yes"
