"""Everything that is said of a federation: payments, verdicts, the ledger, who would leave."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from optsched.federation.core import Gain, Verdict, core_exists, gains_of_leaving, in_core, individually_rational
from optsched.federation.game import Game, UndefinedError, names_of
from optsched.federation.ledger import Entry, Usage, ledger_of
from optsched.federation.rules import RULES, Payments

__all__ = ["Outlook", "Settlement", "record_of", "settle"]


@dataclass(frozen=True)
class Settlement:
    """Payments of one rule, and what follows from them.

    verdicts
        By claim: ``individually-rational``, ``core``.
    leaving
        What coalitions would gain by leaving, the most first.
    ledger
        Who pays whom; empty where the outcomes before payments are not known.
    seconds
        That the rule took, once the values were known.
    """

    payments: Payments
    verdicts: Mapping[str, Verdict]
    leaving: tuple[Gain, ...]
    ledger: tuple[Entry, ...]
    seconds: float


@dataclass(frozen=True)
class Outlook:
    """What is known of a federation.

    settlements
        By rule.
    undefined
        Why other rules have no payments here.
    verdicts
        Of the game itself: ``core-exists``.
    """

    game: Game
    settlements: Mapping[str, Settlement]
    undefined: Mapping[str, str]
    verdicts: Mapping[str, Verdict]
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def settle(
    game: Game,
    rules: Sequence[str] = ("shapley", "nucleolus"),
    usage: Sequence[Usage] = (),
    special: Mapping[str, Payments] | None = None,
    judge: Callable[[Game, Sequence[Fraction]], tuple[Verdict, tuple[Gain, ...]]] | None = None,
) -> Outlook:
    """Work out payments by some rules, with verdicts and ledgers.

    Parameters
    ----------
    usage
        What members use of each other's, for the ledger.
    special
        Payments of rules that need more than the game's values.
    judge
        Says whether payments are in the core and who would leave, where not all coalitions can be listed.
    """
    settlements: dict[str, Settlement] = {}
    undefined: dict[str, str] = {}
    for name in rules:
        began = time.monotonic()
        try:
            payments = special[name] if special is not None and name in special else RULES[name](game)
        except UndefinedError as reason:
            undefined[name] = str(reason)
            continue
        seconds = time.monotonic() - began
        verdicts = {"individually-rational": individually_rational(game, payments.amounts)}
        if judge is None:
            verdicts["core"], leaving = in_core(game, payments.amounts), gains_of_leaving(game, payments.amounts)
        else:
            verdicts["core"], leaving = judge(game, payments.amounts)
        entries = ()  # type: tuple[Entry, ...]
        if game.outcomes is not None:
            entries = ledger_of(game.members, payments.amounts, game.outcomes, usage, game.slack)
        settlements[name] = Settlement(payments, verdicts, leaving, entries, seconds)
    return Outlook(game, settlements, undefined, {"core-exists": core_exists(game)} if game.listed else {})


def record_of(outlook: Outlook) -> dict[str, Any]:
    """Return an outlook as JSON."""
    game = outlook.game
    names = game.members
    settled = outlook.settlements

    def by_member(amounts: Sequence[Fraction]) -> dict[str, float]:
        return dict(zip(names, map(float, amounts), strict=True))

    def verdict(found: Verdict) -> dict[str, Any]:
        return {
            "holds": found.holds,
            "why": found.why,
            "coalitions": [names_of(names, m) for m in found.coalitions[:20]],
        }

    known = range(1, len(game.low)) if game.listed else [*(1 << i for i in range(len(game))), game.everyone]
    record: dict[str, Any] = {
        "format": "optsched-federation/1",
        "members": list(names),
        "values": {names_of(names, mask): _interval(game, mask) for mask in known},
        "payments": {rule: by_member(s.payments.amounts) for rule, s in settled.items()},
        "exact": {
            rule: dict(zip(names, map(str, s.payments.amounts), strict=True))
            for rule, s in settled.items()
            if not game.slack
        },
        "ranges": {
            rule: {name: [float(a), float(b)] for name, (a, b) in zip(names, s.payments.ranges, strict=True)}
            for rule, s in settled.items()
            if s.payments.ranges is not None
        },
        "facts": {
            rule: {what: float(x) if isinstance(x, Fraction) else x for what, x in s.payments.facts.items()}
            for rule, s in settled.items()
        },
        "undefined": dict(outlook.undefined),
        "verdicts": {claim: verdict(found) for claim, found in outlook.verdicts.items()}
        | {rule: {claim: verdict(found) for claim, found in s.verdicts.items()} for rule, s in settled.items()},
        "leaving": {
            rule: [
                {"coalition": names_of(names, gain.coalition), "gain": [float(gain.low), float(gain.high)]}
                for gain in s.leaving
            ]
            for rule, s in settled.items()
        },
        "ledger": {rule: [_entry(entry) for entry in s.ledger] for rule, s in settled.items()},
        "seconds": {rule: s.seconds for rule, s in settled.items()},
        "notes": [*outlook.notes, *(note for s in settled.values() for note in s.payments.notes)],
    }
    return record | dict(outlook.extra)


def _interval(game: Game, mask: int) -> float | list[float]:
    low, high = game.low[mask], game.high[mask]
    return float(low) if low == high else [float(low), float(high)]


def _entry(entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = {
        "from": entry.payer,
        "to": entry.payee,
        "amount": float(entry.amount),
        "what": entry.what,
    }
    if entry.gpu_type:
        record |= {"gpu_type": entry.gpu_type, "hours": float(entry.hours), "price": float(entry.price)}
    return record
