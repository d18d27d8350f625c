"""``optsched solve``, ``export`` and ``check``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optsched.cli.options import (
    AsJson,
    Encoding,
    Exclude,
    Gap,
    InstanceFile,
    Limits,
    Seed,
    Threads,
    TimeLimit,
)
from optsched.cli.output import print_checked, print_json, say, say_broken, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from optsched.instance import Instance
    from optsched.instance.result import Result
    from optsched.problem.formulation import ModelOptions
    from optsched.solvers import Progress

__all__ = ["check", "export", "solve"]

_PACKING = 1.0
"""Seconds for telling whether a plan of counts fits on the servers."""


def solve(
    instance: InstanceFile,
    objective: Annotated[
        str | None,
        typer.Option(
            help="See `optsched objectives`; several in order: max-min,progress; parameters: alpha-fair:alpha=2; "
            "default: the instance's own."
        ),
    ] = None,
    limit: Limits = None,
    tolerance: Annotated[
        float, typer.Option(help="Of several objectives: the relative loss that each leaves to those after it.")
    ] = 1e-6,
    formulation: Annotated[str, typer.Option(help="See `optsched formulations`; auto chooses by size.")] = "auto",
    backend: Annotated[str, typer.Option(help="highs, cpsat, pyomo or pyomo:SOLVER.")] = "auto",
    encoding: Encoding = "auto",
    exclude: Exclude = "",
    time_limit: TimeLimit = None,
    gap: Gap = 1e-4,
    seed: Seed = 0,
    threads: Threads = 1,
    what_if: Annotated[
        list[str] | None,
        typer.Option(help="Solve a changed instance, too: '+4 a100', 'job ID weight=2', 'without job ID'; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the result here (optsched-result/1).")] = None,
    as_json: AsJson = False,
) -> int:
    """Decide who gets what. Exit code 1 if there is no plan."""
    from msgspec.structs import replace

    from optsched import load, save_result
    from optsched.cli.progress import shown_progress
    from optsched.cli.what_if import differences, print_differences
    from optsched.instance import fingerprint
    from optsched.instance.objectives import objective as objective_of
    from optsched.search.multiobjective import in_order, limit_of, objectives_of
    from optsched.search.trace import agreeing

    writable(out, instance)
    say_broken()
    loaded = load(instance)
    options = _choices(loaded, formulation, encoding, exclude)
    wanted = objectives_of(objective) if objective else (loaded.objective, *loaded.then)
    limits = tuple(map(limit_of, limit or ()))
    changed = {}
    if what_if:
        from optsched.explain.what_if import edited

        changed = {change: edited(loaded, change) for change in what_if}

    def solved(one: Instance, progress: Callable[[Progress], None] | None) -> Result:
        return in_order(
            replace(one, limits=(*one.limits, *limits)),
            wanted,
            tolerance=tolerance,
            formulation=formulation,
            backend=backend,
            options=options,
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            threads=threads,
            progress=progress,
        )

    seen: list[Progress] = []
    with shown_progress(time_limit, quiet=as_json) as progress:

        def recorded(point: Progress) -> None:
            seen.append(point)
            if progress is not None:
                progress(point)

        result = solved(loaded, recorded)
        others = {change: solved(one, progress) for change, one in changed.items()}
    if loaded.decides == "counts" and result.allocations:
        from optsched.problem.placement.counts import unplaceable

        unpacked = unplaceable(loaded, result.allocations, time.monotonic() + _PACKING)
        told = (f"{one}; an instance that decides: placement has a plan for its servers" for one in unpacked)
        result = replace(result, notes=(*result.notes, *told))
    # it is of the instance as it stands in the file, and of what was asked for in addition
    result = replace(result, instance=fingerprint(loaded), limits=limits)
    if len(wanted) == 1 and result.value is not None:
        points = [(point.seconds, point.value, point.bound) for point in seen if point.seconds <= result.total_s]
        points.append((result.total_s, result.value, result.bound))
        result = replace(
            result, trace=agreeing(points, result.value, result.bound, objective_of(result.objective).sign)
        )
    if out is not None:
        save_result(result, out)
    compared = differences(result, others) if others else []
    if as_json:
        print_json({"result": result, "what_if": compared} if compared else result)
    else:
        from optsched.cli.report import print_result

        print_result(loaded, result)
        if compared:
            print_differences(result, compared)
    return 0 if result.status in ("optimal", "feasible") else 1


def export(
    instance: InstanceFile,
    out: Annotated[
        Path, typer.Option(help="Write the model here: .mps, .lp, or for CP-SAT .pb, .pbtxt.", show_default=False)
    ],
    formulation: Annotated[
        str, typer.Option(help="See `optsched formulations`; auto: what the instance decides on.")
    ] = "auto",
    objective: Annotated[str | None, typer.Option(help="One objective; default: the instance's own.")] = None,
    encoding: Encoding = "auto",
    exclude: Exclude = "",
    gap: Annotated[float, typer.Option(help="Half of it is what the linearization may over-estimate by.")] = 1e-4,
    as_json: AsJson = False,
) -> int:
    """Write the model of a formulation for other solvers."""
    from optsched import export as exported
    from optsched import load
    from optsched.search.multiobjective import objectives_of

    writable(out, instance)
    say_broken()
    loaded = load(instance)
    wanted = objectives_of(objective) if objective else (loaded.objective,)
    if len(wanted) != 1:
        raise InputError("one objective", path="--objective", value=shown(objective))
    name = _formulation(loaded, formulation)
    name = "configuration" if name == "auto" else name
    options = _choices(loaded, name, encoding, exclude)
    written = exported(loaded, out, formulation=name, objective=wanted[0], options=options, gap=gap)
    if as_json:
        print_json(written)
        return 0
    for note in written.notes:
        say(f"note: {note}")
    sense = "the objective is to be maximized" if written.factor > 0 else "its optimum is the objective's, negated"
    say(
        f"{out}: formulation {name}, {written.columns} variables ({written.integers} integer), "
        f"{written.rows} constraints; {sense}; linearization error {100 * written.error:.2g} %"
    )
    return 0


def _formulation(instance: Instance, name: str) -> str:
    """Return a formulation's name, where ``auto`` leaves only one; ``auto`` where it leaves more."""
    return instance.decides if name == "auto" and instance.decides != "counts" else name


def _choices(instance: Instance, formulation: str, encoding: str, exclude: str) -> ModelOptions:
    """Return what the formulation's builder is told; raise InputError for names that the formulation does not have."""
    from optsched.problem.formulation import DEFAULT, ModelOptions
    from optsched.problem.formulation import formulation as installed

    options = ModelOptions(encoding, frozenset(name.strip() for name in exclude.split(",") if name.strip()))
    if options == DEFAULT:
        return options
    name = _formulation(instance, formulation)
    if name == "auto":
        raise InputError("the formulation that --encoding and --exclude are for", path="--formulation", value="'auto'")
    installed(name).admit(options)
    return options


def check(
    instance: InstanceFile,
    plan: Annotated[
        Path, typer.Argument(help="Result (optsched-result/1) or schedule (optsched-schedule/1).", metavar="PLAN")
    ],
    as_json: AsJson = False,
) -> int:
    """Check a plan by the true curves. Exit code 1 names the broken rules, and who breaks them."""
    from optsched._util.files import read_bytes

    is_schedule = b'"optsched-schedule/' in read_bytes(plan)[:200]
    return (_check_schedule if is_schedule else _check_result)(instance, plan, as_json)


def _check_result(instance: Path, plan: Path, as_json: bool) -> int:
    from dataclasses import replace

    from msgspec import structs

    from optsched import check as checked
    from optsched import load, load_result
    from optsched.instance import fingerprint

    loaded, result = load(instance), load_result(plan)
    if result.status in ("infeasible", "unknown"):
        raise InputError("a result with a plan", path="$.status", value=shown(result.status), file=str(plan))
    limited = structs.replace(loaded, limits=(*loaded.limits, *result.limits))
    report = checked(limited, result.allocations, result.objective, result.value)
    for goal in result.goals[1:]:  # the first is the result's own
        false = checked(limited, result.allocations, goal.objective, goal.value).violations
        more = tuple(v for v in false if v not in report.violations)
        report = replace(report, violations=(*report.violations, *more))
    true = f"{len(result.allocations)} jobs run; {result.objective.name}"
    return print_checked(report, true, same_instance=fingerprint(loaded) == result.instance, as_json=as_json)


def _check_schedule(instance: Path, plan: Path, as_json: bool) -> int:
    from optsched import load
    from optsched.instance import fingerprint
    from optsched.schedule import check as checked
    from optsched.schedule import load_schedule

    loaded, made = load(instance), load_schedule(plan)
    if made.value is None:
        raise InputError("a result with a schedule", path="$.status", value=shown(made.status), file=str(plan))
    report = checked(loaded, made.horizon, made.runs, made.value)
    true = f"{len(made.runs)} jobs run; {made.horizon.objective}"
    return print_checked(report, true, same_instance=fingerprint(loaded) == made.instance, as_json=as_json)
