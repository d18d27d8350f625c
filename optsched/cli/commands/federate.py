"""``optsched federate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optsched.cli.options import AsJson, Gap, Seed, TimeLimit
from optsched.cli.output import print_json, writable

if TYPE_CHECKING:
    from optsched.federation.report import Outlook

__all__ = ["federate"]


def federate(
    instance: Annotated[
        Path, typer.Argument(help="Instance (optsched/1) or game of values (optsched-game/1).", metavar="INSTANCE")
    ],
    rule: Annotated[
        str | None,
        typer.Option(
            help="Rules by name, joined by commas, or all: shapley, nucleolus, least-core, owen, surplus-split, nash, "
            "kalai-smorodinsky, vcg, proportional. Default: shapley,nucleolus, and owen for an instance."
        ),
    ] = None,
    gap: Gap = 1e-4,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Write all of it here (JSON).")] = None,
    as_json: AsJson = False,
) -> int:
    """Tell what datacenters gain by pooling their GPUs. Who pays whom; exit code 1 if no rule has payments."""
    from optsched._util.files import write_json
    from optsched.cli.progress import shown_steps
    from optsched.errors import InputError
    from optsched.federation import federate as pooled
    from optsched.federation.game import Game
    from optsched.federation.reading import read
    from optsched.federation.report import record_of, settle
    from optsched.federation.rules import rules_named

    writable(out, instance)
    names = None if rule is None else rules_named(rule)
    loaded = read(instance)
    if isinstance(loaded, Game):
        outlook = settle(loaded, names or ("shapley", "nucleolus"))
    else:
        with shown_steps(quiet=as_json) as report:
            options: dict[str, Any] = {"gap": gap, "time_limit": time_limit, "seed": seed, "progress": report}
            try:
                outlook = pooled(loaded, names or ("shapley", "nucleolus", "owen"), **options)
            except InputError as error:
                raise error if error.file else error.within(file=str(instance)) from None
    record = record_of(outlook)
    if out is not None:
        write_json(out, record)
    if as_json:
        print_json(record)
    else:
        _print(outlook)
    return 0 if outlook.settlements else 1


def _print(outlook: Outlook) -> None:
    from optsched.cli.terminal import MOST_ROWS, console, print_rest, table
    from optsched.federation.game import names_of

    terminal = console()
    game, settled = outlook.game, outlook.settlements
    page = table("member", "alone", *settled)
    for i, name in enumerate(game.members):
        alone = _interval(float(game.low[1 << i]), float(game.high[1 << i]))
        page.add_row(name, alone, *(f"{float(s.payments.amounts[i]):.6g}" for s in settled.values()))
    together = _interval(float(game.low[-1]), float(game.high[-1]))
    totals = (f"{float(sum(s.payments.amounts)):.6g}" for s in settled.values())
    page.add_row("together", together, *totals)
    terminal.print(page)
    for rule, reason in outlook.undefined.items():
        terminal.print(f"{rule}: no payments: {reason}")

    def say(claim: str, holds: str, why: str, coalitions: tuple[int, ...]) -> None:
        who = "; ".join(names_of(game.members, mask) for mask in coalitions[:5])
        word = {"yes": "yes", "no": "no", "depends": "depends on the gaps"}[holds]
        terminal.print(f"{claim}: {word}: {why}{f' ({who})' if who else ''}")

    for claim, verdict in outlook.verdicts.items():
        say(claim, verdict.holds, verdict.why, verdict.coalitions)
    for rule, s in settled.items():
        for claim, verdict in s.verdicts.items():
            say(f"{rule}: {claim}", verdict.holds, verdict.why, verdict.coalitions)
        if s.ledger:
            ledger = table("from", "to", "amount", "for", left=2)
            for entry in s.ledger[:MOST_ROWS]:
                what = entry.what
                if entry.gpu_type:
                    what = f"{float(entry.hours):.4g} h of {entry.gpu_type} at {float(entry.price):.4g}"
                ledger.add_row(entry.payer, entry.payee, f"{float(entry.amount):.6g}", what)
            terminal.print(f"ledger of {rule}, sums to 0:")
            terminal.print(ledger)
            print_rest(terminal, s.ledger, "entries (all are in the file that --out writes)")


def _interval(low: float, high: float) -> str:
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
