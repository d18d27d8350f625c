"""Rules of an instance: what can be removed from it as a whole, and what can be relaxed by an amount."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optsched.explain.records import Change
from optsched.instance import Instance

__all__ = ["Constraint", "Lever"]


@dataclass(frozen=True)
class Constraint:
    """A constraint of an instance.

    kind
        Of the reason that it stands for (see :class:`~optsched.explain.records.Reason`).
    remove
        Edits any instance that has it; whatever else was removed before, no plan is lost by that.
    more
        Edits an instance to have plenty of this resource and no more of any other; None: as ``remove``.
    """

    key: str
    text: str
    kind: str
    remove: Callable[[Instance], Instance]
    more: Callable[[Instance], Instance] | None = None


@dataclass(frozen=True)
class Lever:
    """Something that can be relaxed by ``steps`` of ``step`` units.

    key, name, unit
        For programs, for people, and of the amount.
    kind
        Of the reason that it stands for (see :class:`~optsched.explain.records.Reason`).
    top
        Most steps to try.
    change
        Edits any instance that has the lever, by an amount.
    text
        Says the change by an amount for people.
    whole
        Whether every single step counts: of others the smallest amount is found to one percent.
    size
        What makes amounts of different levers comparable: the capacity that is there, or an hour.
    """

    key: str
    name: str
    unit: str
    kind: str
    step: float
    top: int
    change: Callable[[Instance, float], Instance]
    text: Callable[[float], str]
    whole: bool = True
    size: float = 1.0

    def said(self, steps: int) -> Change:
        """Return the record of a change by a number of steps."""
        amount = self.amount(steps)
        return Change(lever=self.key, amount=amount, unit=self.unit, text=self.text(amount))

    def amount(self, steps: int) -> float:
        """Return a number of steps in units, without the rounding error of a decimal step."""
        return float(f"{self.step * steps:.12g}")
