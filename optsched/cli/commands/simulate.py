"""``optsched simulate``: policies judged on workloads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optsched.cli.options import AsJson
from optsched.cli.output import from_options, print_json, say, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from optsched.simulate.outcome import Outcome
    from optsched.simulate.workload import Workload

__all__ = ["simulate"]


def simulate(
    workload: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Workload (optsched-workload/1), or a CSV of arrivals or of a trace.", metavar="[WORKLOAD]..."
        ),
    ] = None,
    policies: Annotated[
        str, typer.Option(help="Names, module:function, or process:COMMAND, with commas between; see --list.")
    ] = "sia,gavel,fifo",
    seeds: Annotated[
        str, typer.Option(help="E.g. 1-4 or 1,3: of true progress, failures and shuffled arrivals.")
    ] = "1",
    round_s: Annotated[
        float | None,
        typer.Option("--round", help="Seconds between decisions; 0: after events. Default: 60, rigid jobs 0."),
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Deviation of true progress from the curves (log, standard normal).")
    ] = 0.0,
    bias: Annotated[float, typer.Option(help="Of true progress for each doubling of the GPUs (log).")] = 0.0,
    drift: Annotated[
        float, typer.Option(help="Change of true progress over the training (log, standard normal).")
    ] = 0.0,
    learn: Annotated[str, typer.Option(help="What is learnt of it: nothing, application, or truth.")] = "application",
    server_mtbf: Annotated[
        float | None, typer.Option(help="Seconds between failures of a server, in the mean.")
    ] = None,
    gpu_mtbf: Annotated[float | None, typer.Option(help="Seconds between failures of a GPU, in the mean.")] = None,
    repair: Annotated[float, typer.Option(help="Seconds that a repair takes.")] = 3600.0,
    restart: Annotated[
        float | None, typer.Option(help="Seconds that a (re)start takes, in place of the workload's.")
    ] = None,
    overhead: Annotated[float, typer.Option(help="Seconds that a job keeps its GPUs after its end.")] = 0.0,
    shuffle: Annotated[bool, typer.Option(help="Deal out the arrival times to the jobs anew, by the seed.")] = False,
    horizon: Annotated[float | None, typer.Option(help="Stop the simulation at this time (s).")] = None,
    gpus: Annotated[
        str | None, typer.Option(help="Cluster for a CSV: TYPE=GPUs[/GPUs of a server], e.g. t4=16/4,a100=16/8.")
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            help="For a CSV of arrivals: curves (optsched-curves/1) or throughputs (CSV, by default in its folder)."
        ),
    ] = None,
    convergence: Annotated[
        Path | None, typer.Option(help="For a CSV of arrivals: table of runs, of which the gradient noise is taken.")
    ] = None,
    nodes: Annotated[
        Path | None, typer.Option(help="Nodes (CSV) for a CSV of pods with fractional GPUs; policies are packers then.")
    ] = None,
    make: Annotated[
        str | None, typer.Option(help="Make a workload: kueue, or synthetic with jobs=160,load=1,... ; see the manual.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --make or a CSV: write the workload here, and stop.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Simulations at the same time.")] = 1,
    resume: Annotated[Path | None, typer.Option(help="File of rows: what it has is not simulated again.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with curves and a Gantt chart here.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write a Chrome trace (Perfetto) here.")] = None,
    jobs_csv: Annotated[Path | None, typer.Option("--jobs", help="Write a CSV of all jobs here.")] = None,
    list_policies: Annotated[bool, typer.Option("--list", help="List the policies, and stop.")] = False,
    as_json: AsJson = False,
) -> int:
    """Simulate scheduling policies on a workload. Completion times side by side."""
    from optsched.cli.progress import shown_steps
    from optsched.simulate.workload import save
    from optsched.simulate.world import Options

    if list_policies:
        return _listed(as_json)
    if nodes is not None:
        return _packed(workload or [], nodes, policies, _numbers(seeds), as_json)
    for path in (out, html, trace, jobs_csv, resume):
        writable(path, *(workload or []))
    if html is not None:
        if html.suffix != ".html":
            raise InputError("a name that ends in .html", path="--html", value=str(html))
        from optsched._util.plotting import altair

        altair()
    with shown_steps(quiet=as_json) as report:
        loads = _workloads(workload or [], make, gpus, curves, convergence, report)
        if out is not None:
            if len(loads) != 1:
                raise InputError("one workload", path="--out", value=f"{len(loads)}")
            save(next(iter(loads.values())), out)
            return 0
        if learn not in ("nothing", "application", "truth"):
            raise InputError("nothing, application or truth", path="--learn", value=shown(learn))
        rigid = all(not job.application for one in loads.values() for job in one.jobs)
        options = from_options(
            {
                "round_s": (0.0 if rigid else 60.0) if round_s is None else round_s,
                "noise": noise, "bias": bias, "drift": drift, "learn": learn, "server_mtbf_s": server_mtbf,
                "gpu_mtbf_s": gpu_mtbf, "repair_s": repair, "restart_s": restart, "overhead_s": overhead,
                "shuffle": shuffle, "horizon_s": horizon,
            },
            Options,
        )  # fmt: skip
        names = [name.strip() for name in policies.split(",") if name.strip()]
        kept: list[Outcome] = []
        rows = _swept(
            loads, names, _numbers(seeds), options, workers, resume, report, kept, bool(html or trace or jobs_csv)
        )
    _write(kept, rows, html, trace, jobs_csv)
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    return 0


def _workloads(
    paths: list[Path], make: str | None, gpus: str | None, curves: Path | None, convergence: Path | None, report: Any
) -> dict[str, Workload]:
    from optsched.simulate.make import made, read_workload

    if bool(paths) == bool(make):
        raise InputError("either workloads or --make", path="WORKLOAD", value=shown(make or ""))
    if make is not None:
        one = made(make, gpus)
        return {one.name: one}
    found: dict[str, Workload] = {}
    for path in paths:
        name = path.stem if path.stem not in found else str(path)
        found[name] = read_workload(path, gpus=gpus, curves=curves, convergence=convergence, report=report)
    return found


def _numbers(text: str) -> list[int]:
    """Return 1, 2, 3, 7 of ``1-3,7``."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise InputError("numbers such as 1-4 or 1,3", path="--seeds", value=shown(text)) from None
        if not 0 <= low <= high < low + 10_000:
            raise InputError("numbers such as 1-4 or 1,3", path="--seeds", value=shown(text))
        found += range(low, high + 1)
    return list(dict.fromkeys(found))


def _swept(
    loads: dict[str, Workload],
    names: list[str],
    seeds: list[int],
    options: Any,
    workers: int,
    resume: Path | None,
    report: Any,
    kept: list[Outcome],
    keeps: bool,
) -> list[dict[str, Any]]:
    from optsched._util.executors import local_pool
    from optsched.simulate.sweeps import sweep

    if not names:
        raise InputError("at least one policy", path="--policies")
    if keeps and (resume is not None or workers > 1):
        raise InputError("no --resume or --workers with --html, --trace or --jobs, which need every simulation itself")
    if keeps:
        return list(sweep(loads, names, seeds, options, tell=report, keep=kept.append))
    if workers == 1:
        return list(sweep(loads, names, seeds, options, resume=resume, tell=report))
    with local_pool(workers) as pool:
        return list(sweep(loads, names, seeds, options, executor=pool, resume=resume, tell=report))


def _write(
    kept: list[Outcome], rows: list[dict[str, Any]], html: Path | None, trace: Path | None, jobs_csv: Path | None
) -> None:
    from optsched.simulate import outputs

    if jobs_csv is not None:
        outputs.write_jobs(kept, jobs_csv)
    if trace is not None:
        outputs.write_trace(kept, trace)
    if html is not None:
        from optsched.report.pictures import write_report
        from optsched.report.simulated import of_outcomes

        write_report([of_outcomes(kept, rows)], html, "optsched simulate")


def _packed(paths: list[Path], nodes: Path, policies: str, seeds: list[int], as_json: bool) -> int:
    """Pack pods that arrive, in an order of each seed, until 130 % of the GPUs are asked for."""
    from optsched.cli.progress import shown_steps
    from optsched.cli.terminal import console, table
    from optsched.simulate.packing import PACKERS, arrivals, pack, read_nodes, read_pods

    names = [name.strip() for name in policies.split(",")]
    for name in names:
        if name not in PACKERS:
            raise InputError(f"packers: {', '.join(PACKERS)}", path="--policies", value=shown(name))
    if len(paths) != 1:
        raise InputError("one CSV of pods", path="WORKLOAD", value=f"{len(paths)}")
    room, pods = read_nodes(nodes), read_pods(paths[0])
    rows: list[dict[str, Any]] = []
    with shown_steps(quiet=as_json) as report:
        for seed in seeds:
            order = arrivals(room, pods, seed)
            for name in names:
                if report is not None:
                    report(f"packing by {name}, seed {seed}")
                found = pack(room, pods, order, PACKERS[name], seed)
                rows.append(
                    {
                        "policy": name,
                        "seed": seed,
                        "allocated_share": found.share,
                        "pods": len(order),
                        "refused": found.refused,
                    }
                )
    if as_json:
        print_json(rows)
        return 0
    page = table("packer", "orders", "allocated %", "refused")
    for name in names:
        mine = [row for row in rows if row["policy"] == name]
        means = [sum(row[key] for row in mine) / len(mine) for key in ("allocated_share", "refused")]
        page.add_row(name, str(len(mine)), f"{100 * means[0]:.2f}", f"{means[1]:.0f}")
    console().print(page)
    return 0


def _print(rows: list[dict[str, Any]]) -> None:
    from optsched.cli.terminal import console, table
    from optsched.simulate.summary import summary

    header, lines = summary(rows)
    single = len({row["workload"] for row in rows}) == 1
    page = table(*header[single:], left=2 - single)
    for line in lines:
        page.add_row(*line[single:])
    console().print(page)
    say("means over seeds; FTF: completion time over that with an equal share (above 1 is unfair)")


def _listed(as_json: bool) -> int:
    from optsched.simulate.policies import described

    found = described()
    if as_json:
        print_json([{"name": name, "description": text} for name, text in found])
    else:
        for name, text in found:
            say(f"{name:20} {text}")
    return 0
