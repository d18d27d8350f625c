"""The ledger: who pays whom, how much and for what. It always sums to zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["FUND", "Entry", "Usage", "balances", "ledger_of"]

FUND = "(fund)"
"""Who pays a deficit of the payments and keeps a surplus: none of the members."""


@dataclass(frozen=True)
class Usage:
    """GPU-hours of one type that a member's jobs use in another member's site, and the price of one."""

    user: str
    owner: str
    gpu_type: str
    hours: Fraction
    price: Fraction


@dataclass(frozen=True)
class Entry:
    """One payment.

    what
        ``GPU-hours`` of a type at a price, or ``settlement``: what the rule gives beyond the price of usage.
    gpu_type, hours, price
        Of GPU-hours; the amount is their product.
    """

    payer: str
    payee: str
    amount: Fraction
    what: str
    gpu_type: str = ""
    hours: Fraction = Fraction(0)
    price: Fraction = Fraction(0)


def ledger_of(
    members: Sequence[str],
    payments: Sequence[Fraction],
    outcomes: Sequence[Fraction],
    usage: Sequence[Usage] = (),
    slack: Fraction = Fraction(0),
) -> tuple[Entry, ...]:
    """Return the transfers by which members who have their outcomes end up with their payments.

    What members use of each other's is paid at its price, and the rest is settled with as few entries as a greedy
    matching of debts needs: fewer than there are members. What payments are short of, or above, the sum of outcomes is
    paid by, or to, the fund.

    Parameters
    ----------
    payments
        What each member is to have in the end.
    outcomes
        What each member has from the common plan.
    slack
        Amounts that are not worth an entry.
    """
    net = {name: paid - own for name, paid, own in zip(members, payments, outcomes, strict=True)}
    net[FUND] = -sum(net.values(), Fraction(0))
    entries = []
    for use in usage:
        amount = use.hours * use.price
        if amount and use.user != use.owner:
            entries.append(Entry(use.user, use.owner, amount, "GPU-hours", use.gpu_type, use.hours, use.price))
            net[use.user] += amount
            net[use.owner] -= amount
    return (*entries, *_settled({name: amount for name, amount in net.items() if abs(amount) > slack}))


def _settled(net: Mapping[str, Fraction]) -> list[Entry]:
    """Return entries that bring every net amount to 0, the largest first."""
    payers = sorted(((-amount, name) for name, amount in net.items() if amount < 0), reverse=True)
    payees = sorted(((amount, name) for name, amount in net.items() if amount > 0), reverse=True)
    entries = []
    while payers and payees:
        (owed, payer), (due, payee) = payers.pop(0), payees.pop(0)
        amount = min(owed, due)
        entries.append(Entry(payer, payee, amount, "settlement"))
        if owed > amount:
            payers.insert(0, (owed - amount, payer))
        if due > amount:
            payees.insert(0, (due - amount, payee))
    return entries


def balances(entries: Sequence[Entry]) -> dict[str, Fraction]:
    """Return what each party receives, less what it pays; the sum is 0."""
    net: dict[str, Fraction] = {}
    for entry in entries:
        net[entry.payer] = net.get(entry.payer, Fraction(0)) - entry.amount
        net[entry.payee] = net.get(entry.payee, Fraction(0)) + entry.amount
    return net
