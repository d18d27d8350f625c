"""The command line; each command imports what it needs when it runs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from optsched import __version__
from optsched.cli import bench

__all__ = ["app", "main"]

app = typer.Typer(
    name="optsched",
    help="Predict how fast training jobs run, decide who gets which GPUs, and prove how good that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench.app, name="bench")

InstanceFile = Annotated[Path, typer.Argument(help="Instance file (optsched/1).", metavar="INSTANCE")]
Encoding = Annotated[str, typer.Option(help="How piecewise-linear functions become rows: see `optsched formulations`.")]
Without = Annotated[
    str, typer.Option(help="Parts of the model to leave out, e.g. homes,merge: see `optsched formulations`.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else.")]


def main() -> None:
    """Run the command line: exit code 0 for success, 1 for a negative answer, 2 for bad input."""
    from optsched.errors import OptschedError

    code = 0
    interrupted: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.__context__, BrokenPipeError):  # whoever read the output has enough: no negative answer
            code = 128 + signal.SIGPIPE
        elif end.__context__ is not None and isinstance(end.__context__.__cause__, KeyboardInterrupt):
            print("interrupted before there was an answer", file=sys.stderr)
    except OptschedError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, ImportError):
        if not interrupted:  # an interrupt can surface as an import that failed
            raise
        print("interrupted before there was an answer", file=sys.stderr)
        code = 130
    _leave(code)


def _leave(code: int) -> None:
    """Exit, also where a solver's thread was left behind, which the interpreter would wait for in vain."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.flush()
    if any(thread.name == "optsched-solver" for thread in threading.enumerate()):
        os._exit(code)
    raise SystemExit(code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"optsched {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def solve(
    instance: InstanceFile,
    objective: Annotated[
        str | None,
        typer.Option(
            help="See `optsched objectives`; several in order: max-min,progress; parameters: alpha-fair:alpha=2; "
            "default: the instance's own."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="Another objective's bound, e.g. 'cost<=50'; may be given again.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Of several objectives: the relative loss that each leaves to those after it.")
    ] = 1e-6,
    formulation: Annotated[str, typer.Option(help="See `optsched formulations`; auto chooses by size.")] = "auto",
    backend: Annotated[str, typer.Option(help="highs, cpsat, pyomo or pyomo:SOLVER.")] = "auto",
    encoding: Encoding = "auto",
    without: Without = "",
    time_limit: Annotated[float | None, typer.Option(help="Seconds; the best plan found by then is returned.")] = None,
    gap: Annotated[float, typer.Option(help="Relative gap that is good enough.")] = 1e-4,
    seed: Annotated[int, typer.Option(help="Of the solver's random choices.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="More than one is faster and not reproducible.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the result here (optsched-result/1).")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide who gets what; exit code 1 if there is no plan."""
    from optsched.cli import commands

    raise SystemExit(
        commands.solve(
            instance, out, as_json, objective, limit or [], tolerance, encoding, without, formulation=formulation,
            backend=backend, time_limit=time_limit, gap=gap, seed=seed, threads=threads,
        )
    )  # fmt: skip


@app.command()
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
    without: Without = "",
    gap: Annotated[float, typer.Option(help="Half of it is what the linearization may over-estimate by.")] = 1e-4,
    as_json: AsJson = False,
) -> None:
    """Write the model of a formulation for other solvers."""
    from optsched.cli import commands

    raise SystemExit(commands.export(instance, out, as_json, formulation, objective, encoding, without, gap))


@app.command()
def pareto(
    instance: InstanceFile,
    objectives: Annotated[str, typer.Option(help="Two objectives, e.g. progress,cost.")],
    points: Annotated[int, typer.Option(min=2, help="Of the grid; equal and worse plans are left out.")] = 9,
    limit: Annotated[
        list[str] | None, typer.Option(help="Another objective's bound, e.g. 'kept>=3'; may be given again.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for each point.")] = None,
    gap: Annotated[float, typer.Option(help="Relative gap of each point that is good enough.")] = 1e-4,
    out: Annotated[Path | None, typer.Option(help="Write the points here (JSON).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the points here (HTML).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what one objective costs another: the plans of which none is better in both."""
    from optsched.cli import goals

    raise SystemExit(
        goals.pareto(instance, objectives, points, limit or [], out, plot, as_json, time_limit=time_limit, gap=gap)
    )


@app.command()
def share(
    instance: InstanceFile,
    policy: Annotated[
        str, typer.Option(help="max-min, makespan, finish-time, throughput, fifo, cost, hierarchical.")
    ] = "max-min",
    lexicographic: Annotated[bool, typer.Option(help="max-min: go on to the lexicographic optimum.")] = False,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV table of pairs that may share GPUs, with both throughputs.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="GPUs of a job while it runs; default: its fewest.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the shares here (JSON).")] = None,
    as_json: AsJson = False,
) -> None:
    """Divide time: which part of it each job runs on which GPU type; exit code 1 if there are no such shares."""
    from optsched.cli import shares

    raise SystemExit(shares.share(instance, policy, lexicographic, pairs, gpus, out, as_json))


@app.command()
def check(
    instance: InstanceFile,
    plan: Annotated[
        Path, typer.Argument(help="Result (optsched-result/1) or schedule (optsched-schedule/1).", metavar="PLAN")
    ],
    as_json: AsJson = False,
) -> None:
    """Check a plan by the true curves; exit code 1 names the broken rules, and who breaks them."""
    from optsched.cli import commands

    raise SystemExit(commands.check(instance, plan, as_json))


@app.command()
def explain(
    instance: InstanceFile,
    plan: Annotated[
        Path | None, typer.Argument(help="Result (optsched-result/1); default: it is solved first.", metavar="[PLAN]")
    ] = None,
    job: Annotated[
        list[str] | None, typer.Option(help="Whom to explain; may be given again; default: who got nothing or little.")
    ] = None,
    meaning: Annotated[
        str, typer.Option(help="optimal: the best plans run the job; nobody-loses: no other job is slower than now.")
    ] = "optimal",
    worth: Annotated[bool, typer.Option("--worth", help="Add what one more of each resource is worth.")] = False,
    gap: Annotated[float, typer.Option(help="Of every answer; solve what was relaxed with the same.")] = 1e-4,
    time_limit: Annotated[float | None, typer.Option(help="Seconds; what is not decided by then is named.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say why jobs wait and what would change it, or what keeps the instance from having a plan (exit code 1)."""
    from optsched.cli import explaining

    raise SystemExit(explaining.explain(instance, plan, job or [], meaning, worth, gap, time_limit, as_json))


@app.command()
def audit(
    instance: InstanceFile,
    plan: Annotated[
        Path | None, typer.Argument(help="Result (optsched-result/1); default: it is solved first.", metavar="[PLAN]")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Add whose share flips if predictions are off by their intervals.")
    ] = False,
    draws: Annotated[int, typer.Option(min=0, help="With --sensitivity: random worlds, all curves off.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of the random worlds.")] = 0,
    time_limit: Annotated[float | None, typer.Option(help="Seconds; what is not decided by then is said.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a plan is Pareto-efficient, gives everybody a share's worth, and is free of envy, with witnesses.

    Exit code 1 if there is no plan.
    """
    from optsched.cli import explaining

    raise SystemExit(explaining.audit(instance, plan, sensitivity, draws, seed, time_limit, as_json))


@app.command()
def schedule(
    instance: InstanceFile,
    horizon: Annotated[
        Path | None, typer.Option(help="How far to look, reservations, further resources (optsched-horizon/1).")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="makespan, average-completion, weighted-completion, weighted-tardiness, late-jobs, on-time; "
            "default: the horizon's own, or weighted-tardiness."
        ),
    ] = None,
    formulation: Annotated[
        str, typer.Option(help="intervals (CP-SAT), time-indexed (HiGHS), or lists for a heuristic with a bound.")
    ] = "auto",
    ticks: Annotated[int | None, typer.Option(min=1, help="Steps of time; default: by the formulation.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds; the best schedule by then is returned.")] = None,
    gap: Annotated[float, typer.Option(help="Relative gap that is good enough.")] = 1e-4,
    seed: Annotated[int, typer.Option(help="Of all random choices.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="More than one is faster and not reproducible.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the schedule here (optsched-schedule/1).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the schedule here (.html or .svg).")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide which job runs when, with how many GPUs; exit code 1 if there is no schedule."""
    from optsched.cli import schedules

    raise SystemExit(
        schedules.schedule(
            instance, horizon, out, plot, as_json, objective=objective, formulation=formulation, ticks=ticks,
            time_limit=time_limit, gap=gap, seed=seed, threads=threads,
        )
    )  # fmt: skip


@app.command()
def fit(
    measurements: Annotated[Path, typer.Argument(help="CSV table of measured throughputs.", metavar="MEASUREMENTS")],
    out: Annotated[Path, typer.Option(help="Write the curves here (optsched-curves/1).")],
    earlier: Annotated[
        Path | None, typer.Option(help="Curves fitted before: their lessons become the prior, and they are kept.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="allreduce, monotone or amdahl; default: by cross-validation.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a page of pictures here (HTML).")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit one throughput curve for each model and GPU type, and print how well they fit."""
    from optsched.cli import commands

    raise SystemExit(commands.fit(measurements, out, earlier, family, plot, as_json))


@app.command()
def predict(
    curves: Annotated[Path, typer.Argument(help="Curves (optsched-curves/1).", metavar="CURVES")],
    queries: Annotated[Path, typer.Argument(help="CSV table of configurations.", metavar="QUERIES")],
    out: Annotated[Path, typer.Option(help="Write the queries with the predictions here.")],
    convergence: Annotated[
        Path | None, typer.Option(help="CSV table of earlier runs: adds efficiency and goodput.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="Metric to reach: adds examples and time to it.")] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Model whose metric is a loss; may be given again.")] = None,
) -> None:
    """Predict throughput: adds predicted_throughput_examples_s with _low and _high (80 %)."""
    from optsched.cli import commands

    raise SystemExit(commands.predict(curves, queries, out, convergence, target, loss or []))


@app.command()
def profile_plan(
    curves: Annotated[Path, typer.Argument(help="Curves (optsched-curves/1).", metavar="CURVES")],
    model: Annotated[str, typer.Option(help="Model to measure; it may be new.")],
    gpu: Annotated[str, typer.Option(help="GPU type to measure it on; it may be new.")],
    budget: Annotated[int, typer.Option(help="Number of measurements.")] = 3,
    max_gpus: Annotated[int | None, typer.Option(help="Most GPUs of a measurement; default: as were measured.")] = None,
    as_json: AsJson = False,
) -> None:
    """Name the configurations whose measurement would narrow a prediction the most."""
    from optsched.cli import commands

    raise SystemExit(commands.profile_plan(curves, model, gpu, budget, max_gpus, as_json))


@app.command()
def generate(
    jobs: Annotated[int, typer.Option(help="Number of jobs.")],
    gpus: Annotated[str, typer.Option(help="GPUs of each type, e.g. t4=64,v100=32,a100=16.")],
    curves: Annotated[Path, typer.Option(help="Curves (optsched-curves/1).")],
    out: Annotated[Path, typer.Option(help="Write the instance here (optsched/1).")],
    seed: Annotated[int, typer.Option(help="Equal seeds make equal instances.")] = 0,
    name: Annotated[str, typer.Option(help="Of the instance, for people.")] = "",
    hours: Annotated[
        float | None, typer.Option(help="Give every job work, an arrival within so many hours, and a deadline.")
    ] = None,
    load: Annotated[float, typer.Option(help="With --hours: the work, as a part of what the GPUs do in them.")] = 1.0,
    racks: Annotated[
        int | None, typer.Option(min=1, help="Put the servers in so many racks, on a network: decide on places, too.")
    ] = None,
    gbps: Annotated[float | None, typer.Option(help="With --racks: network rate of each server.")] = None,
    oversubscription: Annotated[
        float | None, typer.Option(help="With --racks: what a rack's servers send over what its uplink carries.")
    ] = None,
    server_gpus: Annotated[
        int | None, typer.Option(min=1, help="With --racks: GPUs of each server; default: as were measured.")
    ] = None,
    decides: Annotated[
        str | None, typer.Option(help="With --racks: placement, or network, which is the default.")
    ] = None,
) -> None:
    """Make an instance from fitted curves."""
    from optsched.cli import commands

    network = {
        "racks": racks, "gbps": gbps, "oversubscription": oversubscription, "server_gpus": server_gpus,
        "decides": decides,
    }  # fmt: skip
    raise SystemExit(
        commands.generate(curves, gpus, out, network, jobs=jobs, seed=seed, name=name, hours=hours, load=load)
    )


@app.command()
def instances(
    folder: Annotated[Path, typer.Argument(help="Folder of instances.", metavar="[FOLDER]")] = Path("instances"),
    tag: Annotated[list[str] | None, typer.Option(help="Only those with this tag; may be given again.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check files, recipes and best plans exactly; exit code 1 if one is false.")
    ] = False,
    make: Annotated[
        str | None, typer.Option(help="Make a generated instance by its name, also one that is not kept; needs --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --make: write it here (optsched/1).")] = None,
    as_json: AsJson = False,
) -> None:
    """List instances: their features, tags, and what is known of them."""
    from optsched.cli import library

    raise SystemExit(library.instances(folder, tag or [], verify, make, out, as_json))


@app.command()
def objectives(as_json: AsJson = False) -> None:
    """List the objectives: what they mean, their units, parameters and sources."""
    from optsched.cli import commands

    raise SystemExit(commands.objectives(as_json))


@app.command()
def formulations(as_json: AsJson = False) -> None:
    """List the formulations and heuristics: what they decide, on which backends, exact or not."""
    from optsched.cli import commands

    raise SystemExit(commands.formulations(as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the instance, result and curve files."""
    from optsched.cli import commands

    raise SystemExit(commands.schema())
