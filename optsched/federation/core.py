"""Whether payments keep every coalition in, said so that it holds for every value in the intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from optsched.federation.game import Game, members_of, scaled
from optsched.federation.nucleolus import least_core

__all__ = ["Gain", "Verdict", "core_exists", "gains_of_leaving", "in_core", "individually_rational"]

Holds = Literal["yes", "no", "depends"]


@dataclass(frozen=True)
class Verdict:
    """What is proven of a claim.

    holds
        ``yes``: for all values in the intervals; ``no``: for none; ``depends``: on where in their intervals some
        values are.
    coalitions
        By mask: those that break it for sure, or those on whose gaps it depends, the widest gap first: prove
        these better, and the verdict is settled.
    why
        In a sentence.
    """

    holds: Holds
    coalitions: tuple[int, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Gain:
    """What a coalition would gain by leaving: at least ``low`` for sure, and at most ``high``; negative: it loses."""

    coalition: int
    low: Fraction
    high: Fraction


def gains_of_leaving(game: Game, payments: Sequence[Fraction], most: int = 5) -> tuple[Gain, ...]:
    """Return what proper coalitions would gain by leaving: those that gain most for sure first, then at most."""
    proper = range(1, game.everyone)
    low, high = _excess(game.low, payments, proper), _excess(game.high, payments, proper)
    order = sorted(proper, key=lambda mask: (-low[mask], -high[mask], mask))
    return tuple(Gain(mask, low[mask], high[mask]) for mask in order[:most])


def _excess(values: Sequence[Fraction], payments: Sequence[Fraction], coalitions: Iterable[int]) -> dict[int, Fraction]:
    """Return v(S) - x(S) of some coalitions."""
    amounts, over = scaled(payments)
    return {mask: values[mask] - Fraction(sum(amounts[i] for i in members_of(mask)), over) for mask in coalitions}


def individually_rational(game: Game, payments: Sequence[Fraction]) -> Verdict:
    """Say whether each member gets at least what it has alone."""
    return _no_gain(game, payments, [1 << i for i in range(len(game))], "gets less than alone")


def in_core(game: Game, payments: Sequence[Fraction]) -> Verdict:
    """Say whether payments are in the core: they divide the value of all, and no coalition has more on its own."""
    paid, slack = sum(payments, Fraction(0)), game.slack
    if paid < game.low[-1] - slack or paid > game.high[-1] + slack:
        return Verdict("no", (game.everyone,), "the payments do not sum to the value of all members")
    inside = _no_gain(game, payments, range(1, game.everyone), "gets less than on its own")
    if inside.holds != "no" and game.high[-1] - game.low[-1] > slack:
        open_ones = _widest(game, {*inside.coalitions, game.everyone})
        return Verdict("depends", open_ones, "the value of all members is not proven")
    return inside


def _no_gain(game: Game, payments: Sequence[Fraction], coalitions: Sequence[int] | range, what: str) -> Verdict:
    low, high = _excess(game.low, payments, coalitions), _excess(game.high, payments, coalitions)
    broken = sorted((mask for mask in coalitions if low[mask] > game.slack), key=lambda mask: -low[mask])
    if broken:
        return Verdict("no", tuple(broken), f"{len(broken)} of {len(coalitions)} {what}, whatever the gaps")
    doubtful = {mask for mask in coalitions if high[mask] > game.slack}
    if doubtful:
        why = f"{len(doubtful)} of {len(coalitions)} may {what.replace('gets', 'get')}, within their gaps"
        return Verdict("depends", _widest(game, doubtful), why)
    return Verdict("yes", why=f"none of {len(coalitions)} {what}, whatever the gaps")


def _widest(game: Game, coalitions: set[int]) -> tuple[int, ...]:
    return tuple(sorted(coalitions, key=lambda mask: (game.low[mask] - game.high[mask], mask)))


def core_exists(game: Game) -> Verdict:
    """Say whether any payments keep every coalition in.

    The core is empty if, and only if, some balanced coalitions have more than all together (Bondareva 1963, Shapley
    1967): the least core of the least favourable values decides that it is not, that of the most favourable that it is.
    """
    if len(game) == 1:
        return Verdict("yes", why="a single member keeps its value")
    worst = least_core(game.cautious).levels[0]
    if worst.excess <= game.slack:
        return Verdict("yes", why="payments exist that keep every coalition in, whatever the gaps")
    best = least_core(game.hopeful).levels[0]
    if best.excess > game.slack:
        why = "these coalitions, balanced, have more than all members together, whatever the gaps"
        return Verdict("no", tuple(sorted(best.weights)), why)
    wide = {mask for mask in {*worst.weights, game.everyone} if game.high[mask] > game.low[mask]}
    return Verdict("depends", _widest(game, wide), "these coalitions may have more than all members together")
