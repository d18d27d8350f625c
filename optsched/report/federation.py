"""The article of a federation: what members gain together, what each rule pays them, and who would leave."""

from __future__ import annotations

from typing import Any

from optsched._util.plotting import KINDS, altair
from optsched.report.article import Article, Cell, Part, Picture, Section, TableOf, number

__all__ = ["of_federation"]


def of_federation(record: dict[str, Any], title: str = "") -> Article:
    """Return the article of what ``optsched federate --json`` writes."""
    members, values, payments = record["members"], record["values"], record["payments"]
    alone = {name: _middle(values[name]) for name in members if name in values}
    together = values.get(",".join(members)) or next(reversed(values.values()), None)
    total, apart = _middle(together), sum(alone.values())
    rows: list[list[Cell]] = [[name, alone.get(name), *(paid[name] for paid in payments.values())] for name in members]
    rows.append(["together", total, *(sum(paid.values()) for paid in payments.values())])
    parts: list[Part] = [_picture(members, alone, payments)] if payments else []
    parts.append(TableOf("Payments", ["member", "alone", *payments], rows))
    parts += [f"{rule}: no payments: {reason}" for rule, reason in record.get("undefined", {}).items()]
    sections = [Section("What each member gets", parts), _verdicts(record)]
    ledgers: list[Part] = [
        TableOf(
            f"{rule} (sums to 0)",
            ["from", "to", "for", "amount"],
            [[e["from"], e["to"], _what(e), e["amount"]] for e in entries],
            left=3,
            folded=n > 0,
        )
        for n, (rule, entries) in enumerate(record.get("ledger", {}).items())
        if entries
    ]
    if ledgers:
        sections.append(Section("Ledgers: who pays whom", ledgers))
    if record.get("notes"):
        sections.append(Section("Notes", record["notes"]))
    worth: list[list[Cell]] = [[name, _said(value)] for name, value in values.items()]
    sections.append(
        Section("Coalitions", [TableOf("Value of each coalition", ["coalition", "value"], worth, left=2, folded=True)])
    )
    more = f", {100 * (total / apart - 1):.1f} % more than apart" if apart > 0 else ""
    status = f"Together {number(total, 6)}{more} ({number(apart, 6)})"
    facts = [("Members", ", ".join(members)), ("Rules", ", ".join(payments) or "none has payments")]
    return Article(title or "Federation", status, facts, sections, good=bool(payments))


def _middle(value: Any) -> float:
    """Return a value that may be given by both ends."""
    return sum(value) / 2 if isinstance(value, list) else float(value or 0.0)


def _said(value: Any) -> str:
    if isinstance(value, list):
        low, high = (f"{end:.6g}" for end in value)
        return low if low == high else f"{low} to {high}"
    return f"{value:.6g}"


def _what(entry: dict[str, Any]) -> str:
    if entry.get("gpu_type"):
        return f"{number(entry['hours'])} h of {entry['gpu_type']} at {number(entry['price'])}"
    return str(entry["what"])


def _picture(members: list[str], alone: dict[str, float], payments: dict[str, dict[str, float]]) -> Picture:
    alt = altair()
    columns = {"alone": alone, **payments}
    values = [
        {"member": name, "what": what, "amount": amounts.get(name, 0.0)}
        for what, amounts in columns.items()
        for name in members
    ]
    names = list(columns)
    colours = ["#999999", *(c for c in KINDS if c != "#999999")]
    scale = alt.Scale(domain=names, range=[colours[n % len(colours)] for n in range(len(names))])
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar()
        .encode(
            y=alt.Y("member:N", sort=members, title=None),
            yOffset=alt.YOffset("what:N", sort=names),
            x=alt.X("amount:Q", title="value"),
            color=alt.Color("what:N", sort=names, title=None, scale=scale),
            tooltip=["member:N", "what:N", "amount:Q"],
        )
        .properties(width=860, height={"step": 12})
    )
    return Picture("payments", "Value alone, and payments by rule", chart, "value of each member alone, and by rule")


def _verdicts(record: dict[str, Any]) -> Section:
    word = {"yes": "yes", "no": "no", "depends": "depends on the gaps"}
    rows: list[list[Cell]] = []
    for claim, found in record.get("verdicts", {}).items():
        for name, verdict in ({claim: found} if "holds" in found else found).items():
            who = "; ".join(verdict.get("coalitions", [])[:5])
            rule = "the game itself" if "holds" in found else claim
            rows.append([rule, name, word.get(verdict["holds"], verdict["holds"]), verdict["why"], who])
    columns = ["rule", "claim", "holds", "why", "coalitions"]
    return Section("Verdicts", [TableOf("What holds of each rule", columns, rows, left=5)])
