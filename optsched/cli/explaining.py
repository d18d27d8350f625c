"""What ``optsched explain`` and ``optsched audit`` do and print; each returns its exit code."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from optsched.cli.output import print_json, print_no_plan
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from rich.console import Console

    from optsched.explain import Audit, Conflict, Explanation, Sensitivity, Worth
    from optsched.instance import Instance
    from optsched.result import Result

__all__ = ["audit", "explain"]

_MOST_LINES = 12


def explain(
    instance: Path, plan: Path | None, jobs: list[str], meaning: str, worth: bool, gap: float,
    time_limit: float | None, as_json: bool,
) -> int:  # fmt: skip
    """Explain a plan, or why there is none."""
    import optsched.explain as explaining
    from optsched.report import _console

    if meaning not in get_args(explaining.Meaning):
        raise InputError(" or ".join(get_args(explaining.Meaning)), path="--meaning", value=shown(meaning))
    left = _clock(time_limit)
    loaded, result = _read(instance, plan, time_limit)
    console = _console()
    if result.status == "infeasible":
        found = explaining.conflict(loaded, time_limit=left())
        if as_json:
            print_json({"conflict": found})
        else:
            _print_conflict(console, found, result)
        return 1
    try:
        explained = explaining.explain(
            loaded, result.allocations, objective=result.objective, jobs=jobs or None, meaning=meaning,  # type: ignore[arg-type]
            gap=gap, time_limit=left(),
        )  # fmt: skip
    except InputError as error:
        raise error.within(file=str(instance if error.path == "job" else plan or instance)) from None
    values = explaining.worths(loaded, objective=result.objective, time_limit=left()) if worth else ()
    if as_json:
        print_json({"explanations": explained, "worths": values} if worth else {"explanations": explained})
        return 0
    if len(result.goals) > 1:
        console.print(f"note: of several objectives, the first explains: {result.objective.name}", style="dim")
    if not explained:
        console.print(
            "every job runs, and none progresses less than on its share of the cluster; --job names any other"
        )
    for one in explained:
        _print_explanation(console, one)
    if worth:
        _print_worths(console, values, result)
    return 0


def audit(
    instance: Path, plan: Path | None, sensitive: bool, draws: int, seed: int, time_limit: float | None, as_json: bool
) -> int:
    """Audit a plan."""
    import optsched.explain as explaining
    from optsched.report import _console

    left = _clock(time_limit)
    loaded, result = _read(instance, plan, time_limit)
    if result.status == "infeasible":
        print_no_plan(result.reason, as_json)
        return 1
    try:
        found = explaining.audit(loaded, result.allocations, time_limit=left())
    except InputError as error:
        raise error.within(file=str(plan or instance)) from None
    worlds = None
    if sensitive:
        worlds = explaining.sensitivity(
            loaded, result.allocations, objective=result.objective, draws=draws, seed=seed, time_limit=left()
        )
    if as_json:
        print_json({"audit": found, "sensitivity": worlds} if sensitive else {"audit": found})
        return 0
    _print_audit(_console(), found)
    if worlds is not None:
        _print_sensitivity(_console(), worlds)
    return 0


def _clock(time_limit: float | None) -> Callable[[], float | None]:
    """Return what tells the seconds that are left of a time limit; None without one."""
    began = time.monotonic()
    return lambda: None if time_limit is None else max(0.0, time_limit - (time.monotonic() - began))


def _read(instance: Path, plan: Path | None, time_limit: float | None) -> tuple[Instance, Result]:
    """Return an instance, with the limits that a plan was asked for under, and the plan: made here if there is none."""
    from optsched import load, load_result, solve

    loaded = load(instance)
    result = solve(loaded, time_limit=time_limit) if plan is None else load_result(plan)
    if result.status == "unknown":
        raise InputError("a result with a plan, or with a proof that there is none", path="$.status",
                         value=shown(result.status), file=str(plan or instance))  # fmt: skip
    return msgspec.structs.replace(loaded, limits=(*loaded.limits, *result.limits)), result


def _listed(console: Console, lines: list[str]) -> None:
    for line in lines[:_MOST_LINES]:
        console.print(f"  - {line}", highlight=False)
    if (more := len(lines) - _MOST_LINES) > 0:
        console.print(f"  ... and {more} more (--json has all)")


def _print_explanation(console: Console, one: Explanation) -> None:
    """Print why, what would change it, and what would not."""
    has = "waits" if one.status == "waits" else f"runs at progress {one.progress:.4g}"
    console.print(f"[bold]{one.job}[/bold] {has}; its share of the cluster would give it {one.entitled:.4g}."
                  + (" Why:" if one.reasons else ""), highlight=False)  # fmt: skip
    _listed(console, [reason.text for reason in one.reasons])
    if one.relaxations:
        meant = {
            "optimal": "each alone makes every best plan run it",
            "nobody-loses": "each alone lets it run, nobody losing"
            if one.status == "waits"
            else "each alone is enough",
        }
        console.print(f"what would change it ({meant[one.relaxations[0].meaning]}):", highlight=False)
        lines = []
        for change in one.relaxations:
            doubt = "" if change.proven else "; less may do"
            tried = f"; not enough: {change.less_text}" if change.less else ""
            then = "" if change.progress is None else f"progress {change.progress:.4g}"
            lines.append(f"{change.text} ({(then + tried + doubt).removeprefix('; ')})")
        _listed(console, lines)
    if one.fails:
        more = f" and {len(one.fails) - _MOST_LINES} more" if len(one.fails) > _MOST_LINES else ""
        console.print(f"not enough alone, however much: {', '.join(one.fails[:_MOST_LINES])}{more}", highlight=False)
    if one.undecided:
        console.print(f"not decided in the time given: {', '.join(one.undecided)}", highlight=False)
    for note in one.notes:
        console.print(f"note: {note}", highlight=False, style="dim")
    console.print()


def _print_conflict(console: Console, found: Conflict, result: Result) -> None:
    """Print what is in conflict, and how to repair it."""
    heads = {
        "feasible": "the instance has a plan now",
        "minimal": "no plan keeps all of these; without any one of them there is one (both proven):",
        "conflicting": "no plan keeps all of these; not all of them are proven to be needed:",
        "unnamed": f"no plan, whatever limit goes: {found.reason}",
        "unknown": "neither a plan nor a proof that there is none was found in the time given",
    }
    console.print(f"[bold]infeasible[/bold]: {result.reason}", highlight=False)
    console.print(heads[found.status], highlight=False)
    doubt = set(found.undecided)
    _listed(console, [one.text + (" (not decided)" if one.key in doubt else "") for one in found.constraints])
    if found.repairs:
        console.print("any of these makes it feasible (smallest first, as parts of what is there, or hours):")
        _listed(
            console,
            [" and ".join(change.text for change in one.changes) + f" ({one.size:.3g})" for one in found.repairs],
        )
    elif found.status in ("minimal", "conflicting"):
        console.print("no single capacity, deadline or other limit repairs it, however far it is moved")
    for note in found.notes:
        console.print(f"note: {note}", highlight=False, style="dim")


def _print_worths(console: Console, values: tuple[Worth, ...], result: Result) -> None:
    from optsched.report import _table

    def number(x: float | None) -> str:
        return "" if x is None else f"{x:.4g}"

    table = _table(
        "one more of", "unit", f"adds to {result.objective.name}", "proven from", "to", "price (LP dual)", left=2
    )
    for one in values:
        table.add_row(one.resource, one.unit, number(one.value), number(one.low), number(one.high), number(one.price))
    console.print(table)
    console.print(
        "adds: the difference of two solved instances; price: of the linear relaxation, an estimate", highlight=False
    )


def _print_audit(console: Console, found: Audit) -> None:
    pareto = found.pareto
    slack = "" if pareto.slack is None else f" (the sum of progress can rise by at most {pareto.slack:.3g})"
    said = {"efficient": f"yes{slack}", "unknown": f"not decided{slack}"}
    if pareto.status == "dominated":
        gains = ", ".join(f"{job} +{gain:.4g}" for job, gain in list(pareto.gains.items())[:5])
        said["dominated"] = f"no: in another plan nobody loses, and progress rises of {gains}"
    console.print(f"[bold]Pareto-efficient[/bold]: {said[pareto.status]}", highlight=False)
    if pareto.note:
        console.print(f"note: {pareto.note}", style="dim")
    said = {"sharing": "no, less than on its share of the cluster has" if found.sharing else "yes"}
    console.print(f"[bold]sharing incentive[/bold]: {said['sharing']}", highlight=False)
    _listed(
        console,
        [f"{one.kind} {one.who}: progress {one.progress:.4g}, and {one.entitled:.4g} alone" for one in found.sharing],
    )
    free = "yes" if found.envy_decided else "not decided in the time given"
    console.print(
        f"[bold]envy-free[/bold]: {'no, by progress over weight prefers' if found.envy else free}", highlight=False
    )
    _listed(
        console,
        [f"{one.job} what {one.of} holds: {one.other:.4g} in place of {one.progress:.4g}" for one in found.envy],
    )
    for text in found.definitions.values():
        console.print(text, highlight=False, style="dim")


def _print_sensitivity(console: Console, found: Sensitivity) -> None:
    from optsched.report import _table

    console.print()
    if not found.worlds:
        console.print("no curve in use has an interval: nothing is uncertain")
        return
    table = _table("if true were", "this plan", "best plan", "regret", "flips", left=1)
    for world in found.worlds:
        cells = ["" if x is None else f"{x:.6g}" for x in (world.value, world.best, world.regret)]
        flips = ", ".join(f"{flip.job}: {flip.now} -> {flip.then}" for flip in world.flips[:3])
        more = f" and {len(world.flips) - 3} more" if len(world.flips) > 3 else ""
        table.add_row(world.name, *cells, "; ".join(world.broken[:1]) or flips + more)
    console.print(table)
    often = sorted(found.flips.items(), key=lambda item: -item[1])[:_MOST_LINES]
    said = ", ".join(f"{job} in {count}" for job, count in often) or "none"
    console.print(f"jobs whose share flips, of {len(found.worlds)} worlds: {said}", highlight=False)
    if found.worst_regret is not None:
        console.print(f"most that this plan loses against the best one: {found.worst_regret:.4g}", highlight=False)
