"""``optsched schedule``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optsched.cli.options import AsJson, Gap, InstanceFile, Plot, Seed, Threads, TimeLimit
from optsched.cli.output import print_json, writable
from optsched.errors import InputError

if TYPE_CHECKING:
    from optsched.cli.terminal import Terminal
    from optsched.instance import Instance
    from optsched.schedule import Schedule

__all__ = ["schedule"]


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
    time_limit: TimeLimit = None,
    gap: Gap = 1e-4,
    seed: Seed = 0,
    threads: Threads = 1,
    out: Annotated[Path | None, typer.Option(help="Write the schedule here (optsched-schedule/1).")] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> int:
    """Decide which job runs when, with how many GPUs. Exit code 1 if there is no schedule."""
    from optsched import load
    from optsched._util.plotting import drawable
    from optsched.cli.progress import shown_progress
    from optsched.schedule import Horizon, load_horizon, plan, save_schedule
    from optsched.schedule.objectives import goal

    writable(out, instance, horizon)
    writable(plot, instance, horizon, out)
    drawable(plot)
    loaded = load(instance)
    wanted = Horizon() if horizon is None else load_horizon(horizon)
    lower = goal(objective or wanted.objective).sense == "min"
    try:
        with shown_progress(time_limit, quiet=as_json, lower=lower) as progress:
            made = plan(
                loaded,
                wanted,
                objective=objective,
                formulation=formulation,
                ticks=ticks,
                time_limit=time_limit,
                gap=gap,
                seed=seed,
                threads=threads,
                progress=progress,
            )
    except InputError as error:
        of_horizon = error.path.startswith(("$.reservations", "$.resources"))
        raise error.within(file=str(horizon if of_horizon else instance if "$" in error.path else "")) from None
    if out is not None:
        save_schedule(made, out)
    if plot is not None and made.value is not None:
        from optsched.schedule.plot import plot as drawn

        drawn(loaded, made, plot)
    if as_json:
        print_json(made)
    else:
        _print(loaded, made)
    return 0 if made.status in ("optimal", "feasible") else 1


def _print(instance: Instance, made: Schedule) -> None:
    """Print which job runs when with what, who is left out, and what was proven."""
    from optsched._util.wording import clock
    from optsched.cli.terminal import MOST_ROWS, console, print_rest, table

    terminal = console()
    now = instance.now_s
    if made.runs:
        page = table("job", "GPU type", "site", "GPUs", "nodes", "batch", "start", "end", "deadline", "left", left=3)
        due = {job.id: job.deadline_s for job in instance.jobs}
        for run in made.runs[:MOST_ROWS]:
            batch = "" if run.local_batch is None else f"{run.local_batch * run.gpus * run.accumulation:.6g}"
            deadline = due[run.job]
            page.add_row(
                run.job,
                run.gpu_type,
                run.site,
                str(run.gpus),
                str(run.nodes),
                batch,
                clock(run.start_s - now),
                clock(run.end_s - now),
                "" if deadline is None else clock(deadline - now),
                "" if deadline is None else clock(deadline - run.end_s),
            )
        terminal.print(page)
        print_rest(terminal, made.runs, "jobs (all are in the file that --out writes)")
        terminal.print("start, end, deadline: h:mm:ss from now; left: until the deadline", style="dim")
    for waiting in made.rejected[:MOST_ROWS]:
        why = f" ({waiting.reason})" if waiting.reason else ""
        terminal.print(f"left out: {waiting.job}{why}")
    print_rest(terminal, made.rejected, "jobs are left out")
    for note in made.notes:
        terminal.print(f"note: {note}", style="dim")
    _print_summary(terminal, made)


def _print_summary(terminal: Terminal, made: Schedule) -> None:
    from optsched._util.wording import sentence, times

    head = sentence(made.status, made.gap, made.stopped)
    if made.value is None:
        terminal.print(f": {made.reason}" if made.reason else "", head=head)
        return
    bound = "" if made.bound is None else f", bound {made.bound:.6g}"
    method = f"{made.formulation} on {made.backend}" if made.backend else made.formulation
    if made.tick_s:
        method += f", ticks of {made.tick_s:.3g} s"
    terminal.print(f": {made.horizon.objective} {made.value:.6g}{bound}", head=head)
    parts = times(made.total_s, build=made.build_s, solve=made.solve_s)
    terminal.print(f"{method}; {parts}; checked; hash {made.hash}")
