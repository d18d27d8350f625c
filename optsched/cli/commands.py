"""What the commands do; each returns its exit code."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from optsched.cli.output import from_options, print_json, writable
from optsched.errors import InputError, shown
from optsched.files import read_bytes, write_bytes

if TYPE_CHECKING:
    from optsched.formulation import Choices
    from optsched.instance import Instance

__all__ = [
    "check",
    "export",
    "fit",
    "formulations",
    "generate",
    "objectives",
    "predict",
    "profile_plan",
    "schema",
    "solve",
]


def _choices(loaded: Instance, formulation: str, encoding: str, without: str) -> Choices:
    """Return what the formulation's builder is told; raise InputError for names that the formulation does not have."""
    from optsched.formulation import Choices
    from optsched.formulation import formulation as installed

    choices = Choices(encoding, frozenset(name.strip() for name in without.split(",") if name.strip()))
    if choices == Choices():
        return choices
    name = loaded.decides if formulation == "auto" and loaded.decides != "counts" else formulation
    if name == "auto":
        raise InputError("the formulation that --encoding and --without are for", path="--formulation", value="'auto'")
    installed(name).admit(choices)
    return choices


def solve(
    instance: Path, out: Path | None, as_json: bool, objective: str | None, limits: list[str], tolerance: float,
    encoding: str, without: str, **options: Any,
) -> int:  # fmt: skip
    """Solve an instance file; print and write the result."""
    from optsched import load, save_result
    from optsched.cli.goals import solved
    from optsched.cli.progress import shown_progress

    writable(out, instance)
    loaded = load(instance)
    choices = _choices(loaded, options["formulation"], encoding, without)
    with shown_progress(options["time_limit"], quiet=as_json) as progress:
        result = solved(loaded, objective, limits, tolerance, progress=progress, choices=choices, **options)
    if out is not None:
        save_result(result, out)
    if as_json:
        print_json(result)
    else:
        from optsched.report import print_result

        print_result(loaded, result)
    return 0 if result.status in ("optimal", "feasible") else 1


def export(
    instance: Path, out: Path, as_json: bool, formulation: str, objective: str | None, encoding: str, without: str,
    gap: float,
) -> int:  # fmt: skip
    """Write a model for other solvers."""
    import dataclasses

    from optsched import export as exported
    from optsched import load
    from optsched.goals import objectives_of

    writable(out, instance)
    loaded = load(instance)
    wanted = objectives_of(objective) if objective else (loaded.objective,)
    if len(wanted) != 1:
        raise InputError("one objective", path="--objective", value=shown(objective))
    name = loaded.decides if formulation == "auto" and loaded.decides != "counts" else formulation
    name = "configuration" if name == "auto" else name
    choices = _choices(loaded, name, encoding, without)
    written = exported(loaded, out, formulation=name, objective=wanted[0], choices=choices, gap=gap)
    if as_json:
        print_json(dataclasses.asdict(written))
        return 0
    for note in written.notes:
        print(f"note: {note}")
    sense = "the objective is to be maximized" if written.factor > 0 else "its optimum is the objective's, negated"
    print(
        f"{out}: formulation {name}, {written.columns} variables ({written.integers} integer), "
        f"{written.rows} constraints; {sense}; linearization error {100 * written.error:.2g} %"
    )
    return 0


def check(instance: Path, plan: Path, as_json: bool) -> int:
    """Check a result file against its instance file."""
    from optsched import check as checked
    from optsched import load, load_result
    from optsched.instance import fingerprint

    if b'"optsched-schedule/' in read_bytes(plan)[:200]:
        from optsched.cli.schedules import check_schedule

        return check_schedule(instance, plan, as_json)
    loaded, result = load(instance), load_result(plan)
    if result.status in ("infeasible", "unknown"):
        raise InputError("a result with a plan", path="$.status", value=shown(result.status), file=str(plan))
    limited = msgspec.structs.replace(loaded, limits=(*loaded.limits, *result.limits))
    report = checked(limited, result.allocations, result.objective, result.value)
    for goal in result.goals[1:]:  # the first is the result's own
        false = checked(limited, result.allocations, goal.objective, goal.value).violations
        more = tuple(v for v in false if v not in report.violations)
        report = replace(report, violations=(*report.violations, *more))
    same = fingerprint(loaded) == result.instance
    if as_json:
        rules = [{"rule": v.rule, "who": v.who, "how": v.how} for v in report.violations]
        print_json({"ok": report.ok, "value": report.value, "same_instance": same, "violations": rules})
        return 0 if report.ok else 1
    for violation in report.violations:
        print(violation)
    if not same:
        print(
            "note: the plan was made for another instance, or for an earlier version of this one",
            file=sys.stderr,
        )
    if report.ok:
        print(f"feasible; {len(result.allocations)} jobs run; {result.objective.name} = {report.value:.6g}, as claimed")
    return 0 if report.ok else 1


def fit(
    measurements: Path, out: Path, earlier: Path | None, family: str | None, plot: Path | None, as_json: bool
) -> int:
    """Fit curves to a table of measurements."""
    from optsched.cli.progress import shown_steps
    from optsched.curves.fit import fit as fitted
    from optsched.curves.fitted import load_curves, save_curves
    from optsched.curves.measurements import read_measurements

    writable(out, measurements)  # what is fitted may follow on what was fitted before
    writable(plot, measurements, earlier, out)
    before = None if earlier is None else load_curves(earlier)
    read = read_measurements(measurements)
    with shown_steps(quiet=as_json) as report:
        file = fitted(read, source=measurements.name, earlier=before, family=family, report=report)
    save_curves(file, out)
    if plot is not None:
        from optsched.curves.plot import plot as plotted

        plotted(file, read, plot)
    if as_json:
        columns = ("name", "rows", "error", "unseen_error", "choice")
        print_json([{k: getattr(c, k) for k in columns} for c in file.curves])
    else:
        from optsched.report import print_fits

        print_fits(file)
    return 0


def predict(
    curves: Path, queries: Path, out: Path, convergence: Path | None, target: float | None, losses: list[str]
) -> int:
    """Predict the throughput of a table of configurations, and what it comes to in training."""
    import polars as pl

    from optsched.curves.fitted import load_curves
    from optsched.curves.measurements import read_configurations
    from optsched.curves.predict import predict as predicted

    writable(out, curves, queries, convergence)
    table, configured = read_configurations(queries)
    columns = predicted(load_curves(curves), configured, str(queries))
    name = "predicted_throughput_examples_s"
    added = [pl.Series(name + end, column) for end, column in zip(("", "_low", "_high"), columns, strict=True)]
    if convergence is not None:
        from optsched.convergence.predict import goodput_columns

        further = goodput_columns(convergence, configured, columns[0], target, losses)
        added += [pl.Series(header, column) for header, column in further.items()]
    elif target is not None or losses:
        raise InputError("--convergence, without which --target and --loss mean nothing", path="predict")
    buffer = io.BytesIO()
    table.with_columns(added).write_csv(buffer)
    write_bytes(out, buffer.getvalue())
    return 0


def profile_plan(curves: Path, model: str, gpu: str, budget: int, max_gpus: int | None, as_json: bool) -> int:
    """Say what to measure next."""
    from optsched.curves.design import profile_plan as planned
    from optsched.curves.fitted import load_curves

    plan = planned(load_curves(curves), model, gpu, budget, max_gpus)
    points = plan.points
    columns = (points.nodes, points.gpus, points.local_batch, plan.spread[1:])
    rows = [
        {"nodes": int(nodes), "gpus": int(gpus), "local_batch": batch, "spread_after": spread}
        for nodes, gpus, batch, spread in zip(*(column.tolist() for column in columns), strict=True)
    ]
    if as_json:
        print_json({"spread_before": float(plan.spread[0]), "measure": rows})
    else:
        from optsched.report import print_profile_plan

        print_profile_plan(rows, float(plan.spread[0]))
    return 0


def generate(curves: Path, gpus: str, out: Path, network: dict[str, Any], **options: Any) -> int:
    """Make an instance from fitted curves."""
    from optsched import save
    from optsched.bench.recipes import Network, Recipe, made
    from optsched.curves.fitted import load_curves

    writable(out, curves)
    counts: dict[str, int] = {}
    for part in gpus.split(","):
        gpu_type, _, count = part.strip().partition("=")
        if not gpu_type or not count.isdecimal() or gpu_type in counts:
            raise InputError("TYPE=COUNT,..., each type once", path="--gpus", value=shown(part))
        counts[gpu_type] = int(count)
    given = {key: value for key, value in network.items() if value is not None}
    if given and not {"racks", "gbps"} <= set(given):
        raise InputError("--racks and --gbps, too, for servers on a network", path="--" + min(given).replace("_", "-"))
    wanted = from_options(given, Network) if given else None
    save(made(Recipe(gpus=counts, network=wanted, **options), load_curves(curves)), out)
    return 0


def objectives(as_json: bool) -> int:
    """List the objectives."""
    from importlib import import_module

    from optsched.objectives import OBJECTIVES

    found = []
    for name, home in OBJECTIVES.items():
        module = import_module(home)
        goal = module.make(module.Parameters())
        found.append(
            {
                "name": name, "meaning": goal.meaning, "unit": goal.unit, "source": goal.source,
                "sense": "least" if goal.sign < 0 else "most",
                "parameters": msgspec.to_builtins(module.Parameters()),
            }
        )  # fmt: skip
    if as_json:
        print_json(found)
    else:
        from optsched.report import print_objectives

        print_objectives(found)
    return 0


def formulations(as_json: bool) -> int:
    """List the formulations and the heuristics."""
    from optsched.backends import BACKENDS
    from optsched.facade import HEURISTICS
    from optsched.formulation import formulations as installed

    found = [
        {
            "name": f.name, "decides": f.decides, "exact": f.exact,
            "backends": [backend for backend, form in BACKENDS.items() if form in f.forms],
            "encodings": f.encodings, "cuts": f.cuts,
        }
        for f in installed().values()
    ]  # fmt: skip
    found += [{"name": name, "decides": what, "exact": False, "backends": []} for name, what in HEURISTICS.items()]
    if as_json:
        print_json(found)
    else:
        from optsched.report import print_formulations

        print_formulations(found)
    return 0


def schema() -> int:
    """Print the JSON Schema of all files."""
    from optsched.curves.fitted import CurveFile
    from optsched.instance import Instance
    from optsched.result import Result
    from optsched.schedule import Horizon, Schedule

    kinds = [Instance, Result, CurveFile, Horizon, Schedule]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    print_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "optsched files: an instance, a result, fitted curves, a horizon, or a schedule",
            "anyOf": list(schemas),
            "$defs": components,
        }
    )
    return 0
