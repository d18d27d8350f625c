"""What ``optsched schedule`` does and prints, and how ``optsched check`` reads its files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optsched.cli.output import print_json, writable

if TYPE_CHECKING:
    from optsched.instance import Instance
    from optsched.schedule import Schedule

__all__ = ["check_schedule", "print_schedule", "schedule"]


def schedule(
    instance: Path, horizon: Path | None, out: Path | None, plot: Path | None, as_json: bool, **options: Any
) -> int:
    """Schedule the jobs of an instance file; print, write and draw the result."""
    from optsched import load
    from optsched.cli.progress import shown_progress
    from optsched.errors import InputError
    from optsched.schedule import Horizon, load_horizon, plan, save_schedule
    from optsched.schedule.objectives import goal
    from optsched.schedule.plot import drawable
    from optsched.schedule.plot import plot as drawn

    writable(out, instance, horizon)
    writable(plot, instance, horizon, out)
    if plot is not None:
        drawable(plot)
    loaded = load(instance)
    wanted = Horizon() if horizon is None else load_horizon(horizon)
    lower = goal(options["objective"] or wanted.objective).sense == "min"
    try:
        with shown_progress(options["time_limit"], quiet=as_json, lower=lower) as progress:
            made = plan(loaded, wanted, progress=progress, **options)
    except InputError as error:
        of_horizon = error.path.startswith(("$.reservations", "$.resources"))
        raise error.within(file=str(horizon if of_horizon else instance if "$" in error.path else "")) from None
    if out is not None:
        save_schedule(made, out)
    if plot is not None and made.value is not None:
        drawn(loaded, made, plot)
    if as_json:
        print_json(made)
    else:
        print_schedule(loaded, made)
    return 0 if made.status in ("optimal", "feasible") else 1


def check_schedule(instance: Path, plan: Path, as_json: bool) -> int:
    """Check a schedule file against its instance file."""
    from optsched import load
    from optsched.errors import InputError, shown
    from optsched.instance import fingerprint
    from optsched.schedule import check, load_schedule

    loaded, made = load(instance), load_schedule(plan)
    if made.value is None:
        raise InputError("a result with a schedule", path="$.status", value=shown(made.status), file=str(plan))
    report = check(loaded, made.horizon, made.runs, made.value)
    same = fingerprint(loaded) == made.instance
    if as_json:
        rules = [{"rule": v.rule, "who": v.who, "how": v.how} for v in report.violations]
        print_json({"ok": report.ok, "value": report.value, "same_instance": same, "violations": rules})
        return 0 if report.ok else 1
    for violation in report.violations:
        print(violation)
    if not same:
        print("note: the schedule was made for another instance, or for an earlier version of it", file=sys.stderr)
    if report.ok:
        print(f"feasible; {len(made.runs)} jobs run; {made.horizon.objective} = {report.value:.6g}, as claimed")
    return 0 if report.ok else 1


_MOST_ROWS = 50


def print_schedule(instance: Instance, made: Schedule) -> None:
    """Print which job runs when with what, who is left out, and what was proven."""
    from optsched.report import _console, _table

    console = _console()
    now = instance.now_s
    if made.runs:
        table = _table(
            "job", "GPU type", "site", "GPUs", "nodes", "batch", "start", "end", "deadline", "left", left=3
        )  # fmt: skip
        due = {job.id: job.deadline_s for job in instance.jobs}
        for run in made.runs[:_MOST_ROWS]:
            batch = "" if run.local_batch is None else f"{run.local_batch * run.gpus * run.accumulation:.6g}"
            deadline = due[run.job]
            table.add_row(
                run.job, run.gpu_type, run.site, str(run.gpus), str(run.nodes), batch, _clock(run.start_s - now),
                _clock(run.end_s - now), "" if deadline is None else _clock(deadline - now),
                "" if deadline is None else _clock(deadline - run.end_s),
            )  # fmt: skip
        console.print(table)
        if (more := len(made.runs) - _MOST_ROWS) > 0:
            console.print(f"... and {more} more jobs (all are in the file that --out writes)")
        console.print("start, end, deadline: h:mm:ss from now; left: until the deadline", style="dim", highlight=False)
    for waiting in made.rejected[:_MOST_ROWS]:
        why = f" ({waiting.reason})" if waiting.reason else ""
        console.print(f"left out: {waiting.job}{why}", highlight=False)
    if (more := len(made.rejected) - _MOST_ROWS) > 0:
        console.print(f"... and {more} more jobs are left out")
    for note in made.notes:
        console.print(f"note: {note}", highlight=False, style="dim")
    console.print(_summary(made), highlight=False)


def _clock(seconds: float) -> str:
    """Return seconds as h:mm:ss, with a sign if they are negative."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _summary(made: Schedule) -> str:
    times = f"build {made.build_s:.2f} s, solve {made.solve_s:.2f} s, in all {made.total_s:.2f} s"
    if made.value is None:
        return f"[bold]{made.status}[/bold] ({made.stopped}): {made.reason}"
    proof = "no bound" if made.bound is None else f"bound {made.bound:.6g}, gap {100 * (made.gap or 0):.3g} %"
    method = f"{made.formulation} on {made.backend}" if made.backend else made.formulation
    if made.tick_s:
        method += f", ticks of {made.tick_s:.3g} s"
    head = f"[bold]{made.status}[/bold] ({made.stopped}): {made.horizon.objective} {made.value:.6g}, {proof}"
    return f"{head}\n{method}; {times}; checked; hash {made.hash}"
