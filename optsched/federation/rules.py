"""The rules by which payments are worked out, by name, and what each proves of its payments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from optsched.errors import InputError, shown
from optsched.federation import bargaining
from optsched.federation.game import Game, UndefinedError, exact
from optsched.federation.nucleolus import kohlberg, least_core, nucleolus
from optsched.federation.shapley import sampled_shapley, shapley, shapley_range
from optsched.federation.vcg import vcg

__all__ = ["RULES", "Payments", "rules_named"]

_ORDERS = 8
"""Pairs of orders by which Shapley values are sampled: each pair asks for twice as many coalitions as members."""


@dataclass(frozen=True)
class Payments:
    """What each member is to have in the end, all payments made.

    amounts
        Of each member.
    ranges
        Least and greatest amount of each, over the intervals of the values or with 95 % confidence; None: not known.
    facts
        Other numbers of the rule, by name.
    notes
        For people.
    """

    rule: str
    amounts: tuple[Fraction, ...]
    ranges: tuple[tuple[Fraction, Fraction], ...] | None = None
    facts: Mapping[str, Fraction | bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _shapley(game: Game) -> Payments:
    if not game.listed:
        return _sampled(game)
    return Payments("shapley", shapley(game.low), None if game.closed else shapley_range(game))


def _sampled(game: Game) -> Payments:
    """Estimate Shapley values of many members from few orders; payments are scaled to what is achieved."""
    found = sampled_shapley(len(game), lambda mask: float(game.low[mask]), orders=_ORDERS)
    amounts = [exact(float(x)) for x in found.estimate]
    rest = (game.total - sum(amounts, Fraction(0))) / len(game)
    margins = [exact(float(x)) for x in found.margin]
    ranges = tuple((x - m, x + m) for x, m in zip(amounts, margins, strict=True))
    note = f"sampled: {2 * found.orders} orders, {found.calls} coalitions; ranges hold with 95 % confidence each"
    return Payments("shapley", tuple(x + rest for x in amounts), ranges, notes=(note,))


def _nucleolus(game: Game) -> Payments:
    if not game.listed:
        raise UndefinedError("the nucleolus needs the values of all coalitions, and there are too many members")
    found = nucleolus(game.cautious)
    facts: dict[str, Fraction | bool] = {"kohlberg": kohlberg(game.cautious, found.payments)}
    if found.levels:
        facts["excess"] = found.levels[0].excess
    return Payments("nucleolus", found.payments, facts=facts, notes=_cautious(game))


def _least_core(game: Game) -> Payments:
    if not game.listed:
        raise UndefinedError("it is found by row generation: see separation.least_core_by_rows")
    found = least_core(game.cautious)
    return Payments("least-core", found.payments, facts={"excess": found.levels[0].excess}, notes=_cautious(game))


def _cautious(game: Game) -> tuple[str, ...]:
    if game.closed:
        return ()
    return ("of the least favourable values: what all achieve, and the bound of every other coalition",)


def _vcg(game: Game) -> Payments:
    found = vcg(game)
    facts: dict[str, Fraction | bool] = {"deficit": found.deficit}
    if found.charges is not None:
        facts |= {f"charge of {name}": paid for name, paid in zip(game.members, found.charges, strict=True)}
    return Payments("vcg", found.payments, None if game.closed else found.ranges, facts)


def _by(name: str, rule: Callable[[Game], tuple[Fraction, ...]]) -> Callable[[Game], Payments]:
    return lambda game: Payments(name, rule(game))


def _owen(game: Game) -> Payments:
    raise UndefinedError("a game of values has no prices: Owen's payments need an instance")


RULES: dict[str, Callable[[Game], Payments]] = {
    "shapley": _shapley,
    "nucleolus": _nucleolus,
    "least-core": _least_core,
    "owen": _owen,
    "surplus-split": _by("surplus-split", bargaining.surplus_split),
    "nash": _by("nash", bargaining.nash),
    "kalai-smorodinsky": _by("kalai-smorodinsky", bargaining.kalai_smorodinsky),
    "vcg": _vcg,
    "proportional": _by("proportional", bargaining.proportional),
}
"""Rules by name; each raises :class:`UndefinedError` where it has no payments."""


def rules_named(text: str) -> tuple[str, ...]:
    """Return the names of rules that are joined by commas; ``all`` is every rule. Raise InputError for others."""
    if text.strip() == "all":
        return tuple(RULES)
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in RULES:
            raise InputError(f"all, or some of {', '.join(RULES)}", path="--rule", value=shown(name))
    return names
