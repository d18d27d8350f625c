"""A cooperative game whose values are proven intervals: what each coalition of members achieves on its own.

Coalitions are bit masks over the members: bit ``i`` is set where member ``i`` belongs to the coalition. All numbers
are fractions, so that every rule that is defined by linear equations is computed exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched.errors import InputError, OptschedError, shown
from optsched.prediction.curves.base import Name

__all__ = [
    "Game",
    "GameFile",
    "UndefinedError",
    "exact",
    "game_of",
    "masks_of",
    "members_of",
    "names_of",
    "scaled",
    "sums",
]

MOST_MEMBERS = 16
"""Most members of a game of which every coalition's value is listed: 65,535 values."""

Objects = NDArray[np.object_]


class UndefinedError(OptschedError):
    """A rule has no payments in this game; the message says why."""


class GameFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A game that is given by its values, ``optsched-game/1``.

    members
        Their names, without commas.
    values
        Of every coalition, by the names of its members joined by commas; a pair is an interval that holds the value.
    outcomes
        What each member gets out of the common plan before anything is paid; the ledger needs it.
    """

    format: Literal["optsched-game/1"]
    members: tuple[Name, ...]
    values: dict[str, float | tuple[float, float]]
    outcomes: dict[Name, float] | None = None


@dataclass(frozen=True)
class Game:
    """Values of all coalitions as intervals.

    members
        Names, in the order of the bits.
    low, high
        Proven interval of each coalition's value, by its mask, ``2 ** members`` each; the empty one's is 0. Of an
        instance, ``low`` is what a checked plan achieves, ``high`` what no plan exceeds.
    outcomes
        What each member gets out of the common plan before payments; None: not known.
    slack
        Amounts that differ by no more count as equal: 0, or the tolerance of the solver that found the values.
    """

    members: tuple[str, ...]
    low: tuple[Fraction, ...]
    high: tuple[Fraction, ...]
    outcomes: tuple[Fraction, ...] | None = None
    slack: Fraction = Fraction(0)

    listed: ClassVar[bool] = True
    """Whether the values of all coalitions are there to be read."""

    def __post_init__(self) -> None:
        size = 1 << len(self.members)
        if len(self.low) != size or len(self.high) != size:
            raise ValueError(f"{len(self.members)} members have {size} coalitions, with the empty one")
        if self.low[0] or self.high[0]:
            raise ValueError("the value of the empty coalition is 0")

    def __len__(self) -> int:
        return len(self.members)

    @property
    def everyone(self) -> int:
        """The mask of all members."""
        return (1 << len(self.members)) - 1

    @property
    def total(self) -> Fraction:
        """What the federation achieves, and so what there is to divide."""
        return self.low[self.everyone]

    @property
    def closed(self) -> bool:
        """Whether all values are known exactly."""
        return all(high - low <= self.slack for low, high in zip(self.low, self.high, strict=True))

    @cached_property
    def cautious(self) -> tuple[Fraction, ...]:
        """The least favourable values for staying together: what is achieved in common, and the bound of all others."""
        return (*self.high[:-1], self.low[-1])

    @cached_property
    def hopeful(self) -> tuple[Fraction, ...]:
        """The most favourable values for staying together."""
        return (*self.low[:-1], self.high[-1])


def exact(value: float | int | str | Fraction) -> Fraction:
    """Return a number as a fraction; a float means the decimal that it is written as."""
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


def game_of(
    members: Sequence[str],
    values: Mapping[str, Any],
    outcomes: Mapping[str, Any] | None = None,
) -> Game:
    """Return the game of listed values.

    Parameters
    ----------
    members
        Distinct names without commas, 1 to 16 of them.
    values
        Of every coalition by its members' names joined by commas, in any order: a number, or a pair (least, most).
    outcomes
        Of each member before payments.

    Raises
    ------
    InputError
        Where a coalition is missing, unknown or there twice, or an interval is not in order.
    """
    _check_members(members)
    size = 1 << len(members)
    known: dict[int, tuple[str, Fraction, Fraction]] = {}
    for key, value in values.items():
        path = f'$.values["{shown(key)[1:-1]}"]'
        mask = masks_of(members, key, path)
        if mask in known:
            raise InputError(f"each coalition once; {shown(known[mask][0])} is the same", path=path, value=shown(key))
        low, high = (value, value) if isinstance(value, int | float | Fraction) else value
        for number in (low, high):
            if isinstance(number, float) and not np.isfinite(number):
                raise InputError("finite numbers", path=path, value=shown(value))
        if low > high:
            raise InputError("the least value before the greatest", path=path, value=shown(list(value)))
        if mask == 0 and (low or high):
            raise InputError("0, the value of the empty coalition", path=path, value=shown(value))
        known[mask] = key, exact(low), exact(high)
    known.setdefault(0, ("", Fraction(0), Fraction(0)))
    if len(known) < size:
        missing = next(mask for mask in range(size) if mask not in known)
        expected = (
            f"a value of each of the {size - 1} coalitions; that of {shown(names_of(members, missing))} is missing"
        )
        raise InputError(expected, path="$.values", value=f"{len(known) - 1} coalitions")
    own = None
    if outcomes is not None:
        if set(outcomes) != set(members):
            raise InputError(
                "an outcome of every member, and of no other", path="$.outcomes", value=shown(list(outcomes))
            )
        own = tuple(exact(outcomes[name]) for name in members)
    return Game(
        tuple(members),
        tuple(known[mask][1] for mask in range(size)),
        tuple(known[mask][2] for mask in range(size)),
        own,
    )


def _check_members(members: Sequence[str]) -> None:
    if not 1 <= len(members) <= MOST_MEMBERS:
        expected = f"1 to {MOST_MEMBERS} members, of which every coalition has a value"
        raise InputError(expected, path="$.members", value=f"{len(members)} members")
    for number, name in enumerate(members):
        if "," in name or name != name.strip():
            expected = "a name without commas, and without blanks around it"
            raise InputError(expected, path=f"$.members[{number}]", value=shown(name))
        if name in members[:number]:
            raise InputError("every member once", path=f"$.members[{number}]", value=shown(name))


def masks_of(members: Sequence[str], key: str, path: str = "") -> int:
    """Return the mask of a coalition by its members' names joined by commas; raise InputError for an unknown name."""
    mask = 0
    for name in (part.strip() for part in key.split(",")) if key else ():
        if name not in members:
            listed = ", ".join(members[:8])
            raise InputError(f"names of members ({listed}) joined by commas", path=path, value=shown(name))
        bit = 1 << members.index(name)
        if mask & bit:
            raise InputError("each member once in a coalition", path=path, value=shown(key))
        mask |= bit
    return mask


def members_of(mask: int) -> list[int]:
    """Return the numbers of a coalition's members."""
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


def names_of(members: Sequence[str], mask: int) -> str:
    """Return the names of a coalition's members joined by commas."""
    return ",".join(members[i] for i in members_of(mask))


def sums(amounts: Sequence[int]) -> Objects:
    """Return the sum of integer amounts over each coalition, shape ``(2 ** members,)``, as Python integers."""
    found = np.zeros(1, dtype=object)
    for amount in amounts:
        found = np.concatenate([found, found + amount])
    return found


def scaled(values: Sequence[Fraction]) -> tuple[list[int], int]:
    """Return fractions as integers over their common denominator."""
    common = lcm(*(value.denominator for value in values)) if values else 1
    return [value.numerator * (common // value.denominator) for value in values], common
