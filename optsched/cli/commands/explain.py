"""``optsched explain`` and ``audit``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optsched.cli.options import AsJson, InstanceFile, PlanFile, TimeLimit
from optsched.cli.output import print_json, print_no_plan
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optsched.cli.terminal import Terminal
    from optsched.explain import Audit, Conflict, Explanation, Sensitivity, Worth
    from optsched.instance import Instance
    from optsched.instance.result import Result

__all__ = ["audit", "explain"]

_MOST_LINES = 12


def explain(
    instance: InstanceFile,
    plan: PlanFile = None,
    job: Annotated[
        list[str] | None, typer.Option(help="Whom to explain; may be given again; default: who got nothing or little.")
    ] = None,
    meaning: Annotated[
        str, typer.Option(help="optimal: the best plans run the job; no-job-loses: no other job is slower than now.")
    ] = "optimal",
    marginal_values: Annotated[
        bool, typer.Option("--marginal-values", help="Add the marginal value of each resource.")
    ] = False,
    gap: Annotated[float, typer.Option(help="Of every answer; solve what was relaxed with the same.")] = 1e-4,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> int:
    """Say why jobs wait, or why there is no plan. What would change it; exit code 1 if there is no plan."""
    import optsched.explain as explaining
    from optsched.cli.progress import shown_steps

    try:
        promise = explaining.meaning_of(meaning)
    except InputError as error:
        raise InputError(error.expected, path="--meaning", value=shown(meaning)) from None
    if promise != meaning:
        typer.echo(f"note: --meaning {meaning} is now called {promise}", err=True)
    left = _clock(time_limit)
    loaded, result = _read(instance, plan, time_limit, as_json)
    if result.status == "infeasible":
        with shown_steps(quiet=as_json) as report:
            found = explaining.conflict(loaded, time_limit=left(), report=report)
        if as_json:
            print_json({"conflict": found})
        else:
            _print_conflict(found, result)
        return 1
    values: tuple[Worth, ...] = ()
    with shown_steps(quiet=as_json) as report:
        try:
            explained = explaining.explain(
                loaded,
                result.allocations,
                objective=result.objective,
                jobs=job,
                meaning=promise,
                gap=gap,
                time_limit=left(),
                report=report,
            )
        except InputError as error:
            raise error.within(file=str(instance if error.path == "job" else plan or instance)) from None
        if marginal_values:
            values = explaining.worths(loaded, objective=result.objective, time_limit=left(), report=report)
    if as_json:
        print_json({"explanations": explained, "worths": values} if marginal_values else {"explanations": explained})
    else:
        _print_explanations(explained, result)
        if marginal_values:
            _print_worths(values, result)
    return 0


def audit(
    instance: InstanceFile,
    plan: PlanFile = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Add whose share flips if predictions are off by their intervals.")
    ] = False,
    samples: Annotated[int, typer.Option(min=0, help="With --sensitivity: random scenarios, all curves off.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of the random scenarios.")] = 0,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> int:
    """Tell whether a plan is efficient and fair. With witnesses; exit code 1 if there is no plan."""
    import optsched.explain as explaining
    from optsched.cli.progress import shown_steps

    left = _clock(time_limit)
    loaded, result = _read(instance, plan, time_limit, as_json)
    if result.status == "infeasible":
        print_no_plan(result.reason, as_json)
        return 1
    scenarios = None
    with shown_steps(quiet=as_json) as report:
        try:
            found = explaining.audit(loaded, result.allocations, time_limit=left(), report=report)
        except InputError as error:
            raise error.within(file=str(plan or instance)) from None
        if sensitivity:
            scenarios = explaining.sensitivity(
                loaded,
                result.allocations,
                objective=result.objective,
                draws=samples,
                seed=seed,
                time_limit=left(),
                report=report,
            )
    if as_json:
        print_json({"audit": found, "sensitivity": scenarios} if sensitivity else {"audit": found})
        return 0
    _print_audit(found)
    if scenarios is not None:
        _print_sensitivity(scenarios)
    return 0


def _clock(time_limit: float | None) -> Callable[[], float | None]:
    """Return what tells the seconds that are left of a time limit; None without one."""
    began = time.monotonic()
    return lambda: None if time_limit is None else max(0.0, time_limit - (time.monotonic() - began))


def _read(instance: Path, plan: Path | None, time_limit: float | None, quiet: bool) -> tuple[Instance, Result]:
    """Return an instance, with the limits that a plan was asked for under, and the plan: made here if there is none."""
    from msgspec.structs import replace

    from optsched import load, load_result, solve
    from optsched.cli.progress import shown_progress

    loaded = load(instance)
    with shown_progress(time_limit, quiet=quiet) as progress:
        result = solve(loaded, time_limit=time_limit, progress=progress) if plan is None else load_result(plan)
    if result.status == "unknown":
        raise InputError(
            "a result with a plan, or with a proof that there is none",
            path="$.status",
            value=shown(result.status),
            file=str(plan or instance),
        )
    return replace(loaded, limits=(*loaded.limits, *result.limits)), result


def _listed(terminal: Terminal, lines: list[str]) -> None:
    for line in lines[:_MOST_LINES]:
        terminal.print(f"  - {line}")
    if (more := len(lines) - _MOST_LINES) > 0:
        terminal.print(f"  ... and {more} more (--json has all)")


def _print_explanations(explained: Sequence[Explanation], result: Result) -> None:
    from optsched.cli.terminal import console

    terminal = console()
    if len(result.goals) > 1:
        terminal.print(f"note: of several objectives, the first explains: {result.objective.name}", style="dim")
    if not explained:
        terminal.print(
            "every job runs, and none progresses less than on its share of the cluster; --job names any other"
        )
    for one in explained:
        _print_explanation(terminal, one)


def _print_explanation(terminal: Terminal, one: Explanation) -> None:
    """Print why, what would change it, and what would not."""
    has = "waits" if one.status == "waits" else f"runs at progress {one.progress:.4g}"
    terminal.print(
        f" {has}; its share of the cluster would give it {one.entitled:.4g}." + (" Why:" if one.reasons else ""),
        head=one.job,
    )
    _listed(terminal, [reason.text for reason in one.reasons])
    if one.relaxations:
        meant = {
            "optimal": "each alone makes every best plan run it",
            "no-job-loses": "each alone lets it run, and no job loses"
            if one.status == "waits"
            else "each alone is enough",
        }
        terminal.print(f"what would change it ({meant[one.relaxations[0].meaning]}):")
        lines = []
        for change in one.relaxations:
            doubt = "" if change.proven else "; less may do"
            tried = f"; not enough: {change.less_text}" if change.less else ""
            then = "" if change.progress is None else f"progress {change.progress:.4g}"
            lines.append(f"{change.text} ({(then + tried + doubt).removeprefix('; ')})")
        _listed(terminal, lines)
    if one.fails:
        more = f" and {len(one.fails) - _MOST_LINES} more" if len(one.fails) > _MOST_LINES else ""
        terminal.print(f"not enough alone, as far as was tried: {', '.join(one.fails[:_MOST_LINES])}{more}")
    if one.undecided:
        terminal.print(f"not decided in the time given: {', '.join(one.undecided)}")
    for note in one.notes:
        terminal.print(f"note: {note}", style="dim")
    terminal.print()


def _print_conflict(found: Conflict, result: Result) -> None:
    """Print what is in conflict, and how to repair it."""
    from optsched.cli.terminal import console

    terminal = console()
    heads = {
        "feasible": "the instance has a plan now",
        "minimal": "no plan keeps all of these; without any one of them there is one (both proven):",
        "conflicting": "no plan keeps all of these; not all of them are proven to be needed:",
        "unnamed": f"no plan, whatever limit goes: {found.reason}",
        "unknown": "neither a plan nor a proof that there is none was found in the time given",
    }
    terminal.print(f": {result.reason}", head="infeasible")
    terminal.print(heads[found.status])
    doubt = set(found.undecided)
    _listed(terminal, [one.text + (" (not decided)" if one.key in doubt else "") for one in found.constraints])
    if found.repairs:
        terminal.print("any of these makes it feasible (smallest first, as parts of what is there, or hours):")
        _listed(
            terminal,
            [" and ".join(change.text for change in one.changes) + f" ({one.size:.3g})" for one in found.repairs],
        )
    elif found.status in ("minimal", "conflicting"):
        terminal.print("no single capacity, deadline or other limit repairs it, however far it is moved")
    for note in found.notes:
        terminal.print(f"note: {note}", style="dim")


def _print_worths(values: tuple[Worth, ...], result: Result) -> None:
    from optsched.cli.terminal import console, table

    def number(x: float | None) -> str:
        return "" if x is None else f"{x:.4g}"

    page = table(
        "one more of",
        "unit",
        f"adds to {result.objective.name}",
        "proven from",
        "to",
        "shadow price (LP dual)",
        left=2,
    )
    for one in values:
        page.add_row(one.resource, one.unit, number(one.value), number(one.low), number(one.high), number(one.price))
    terminal = console()
    terminal.print(page)
    terminal.print("adds: the difference of two solved instances; shadow price: of the linear relaxation, an estimate")


def _print_audit(found: Audit) -> None:
    from optsched.cli.terminal import console

    terminal = console()
    pareto = found.pareto
    slack = "" if pareto.slack is None else f" (the sum of progress can rise by at most {pareto.slack:.3g})"
    said = {"efficient": f"yes{slack}", "unknown": f"not decided{slack}"}
    if pareto.status == "dominated":
        gains = ", ".join(f"{job} +{gain:.4g}" for job, gain in list(pareto.gains.items())[:5])
        said["dominated"] = f"no: in another plan no job loses, and progress rises of {gains}"
    terminal.print(f": {said[pareto.status]}", head="Pareto-efficient")
    if pareto.note:
        terminal.print(f"note: {pareto.note}", style="dim")
    shared = "no, less than on its share of the cluster has" if found.sharing else "yes"
    terminal.print(f": {shared}", head="sharing incentive")
    _listed(
        terminal,
        [f"{one.kind} {one.who}: progress {one.progress:.4g}, and {one.entitled:.4g} alone" for one in found.sharing],
    )
    free = "yes" if found.envy_decided else "not decided in the time given"
    terminal.print(f": {'no, by progress over weight prefers' if found.envy else free}", head="envy-free")
    _listed(
        terminal,
        [f"{one.job} what {one.of} holds: {one.other:.4g} instead of {one.progress:.4g}" for one in found.envy],
    )
    for text in found.definitions.values():
        terminal.print(text, style="dim")


def _print_sensitivity(found: Sensitivity) -> None:
    from optsched.cli.terminal import console, table

    terminal = console()
    terminal.print()
    if not found.worlds:
        terminal.print("no curve in use has an interval: nothing is uncertain")
        return
    page = table("if true were", "this plan", "best plan", "regret", "changed allocations", left=1)
    for scenario in found.worlds:
        cells = ["" if x is None else f"{x:.6g}" for x in (scenario.value, scenario.best, scenario.regret)]
        changed = ", ".join(f"{flip.job}: {flip.now} -> {flip.then}" for flip in scenario.flips[:3])
        more = f" and {len(scenario.flips) - 3} more" if len(scenario.flips) > 3 else ""
        page.add_row(scenario.name, *cells, "; ".join(scenario.broken[:1]) or changed + more)
    terminal.print(page)
    often = sorted(found.flips.items(), key=lambda item: -item[1])[:_MOST_LINES]
    said = ", ".join(f"{job} in {count}" for job, count in often) or "none"
    terminal.print(f"jobs whose allocation changes, of {len(found.worlds)} scenarios: {said}")
    if found.worst_regret is not None:
        terminal.print(f"most that this plan loses against the best one: {found.worst_regret:.4g}")
