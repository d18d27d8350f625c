"""``optsched bench run`` and ``bench report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optsched.cli.options import AsJson, Plot
from optsched.cli.output import from_options, print_json, say, say_broken, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optsched.bench import Row, Spec
    from optsched.bench.compare import Comparison
    from optsched.bench.scores import Judged, Score
    from optsched.cli.terminal import Page, Terminal

__all__ = ["report", "run"]


def run(
    what: Annotated[
        list[Path], typer.Argument(help="A spec (optsched-bench/1), or instance files and folders.", metavar="WHAT...")
    ],
    out: Annotated[Path, typer.Option(help="Table of runs: .csv, .parquet or .jsonl; what is in it is not run again.")],
    tag: Annotated[list[str] | None, typer.Option(help="Of folders, only instances with this tag.")] = None,
    formulations: Annotated[
        str | None, typer.Option(help="Names by commas, of heuristics too; auto, or all. Default: all.")
    ] = None,
    backends: Annotated[
        str | None, typer.Option(help="highs, cpsat, pyomo, pyomo:SOLVER by commas, or all. Default: highs.")
    ] = None,
    encodings: Annotated[str | None, typer.Option(help="Names by commas, or all. Default: auto.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Cuts to leave out, by commas: one more method; may be given again.")
    ] = None,
    objectives: Annotated[str | None, typer.Option(help="By commas, in place of the instances' own.")] = None,
    seeds: Annotated[str | None, typer.Option(help="By commas. Default: 0.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for each run. Default: 60.")] = None,
    gap: Annotated[float | None, typer.Option(help="Relative gap that is good enough. Default: 1e-4.")] = None,
    threads: Annotated[int | None, typer.Option(help="Of each run. Default: 1.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time; more than idle cores make times longer.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no line for each run.")] = False,
) -> int:
    """Measure every method on every instance. Exit code 1 if a run failed or a plan broke a rule, 130 after Ctrl-C."""
    from optsched import bench

    options = {
        "formulations": _words(formulations),
        "backends": _words(backends),
        "encodings": _words(encodings),
        "without": ((), *(_words(cuts) or () for cuts in exclude)) if exclude else None,
        "objectives": _objectives(objectives),
        "seeds": _numbers(seeds),
        "time_limit": time_limit,
        "gap": gap,
        "threads": threads,
    }
    writable(out, *what)
    say_broken()
    spec = _spec(what, tag or [], {key: value for key, value in options.items() if value is not None})
    done = bench.run(spec, out, workers=workers, report=None if quiet else _tell)
    for row in done.failed:
        say(f"{row.instance}, {_method(row)}: {row.violations or row.reason}", error=True)
    unsupported = sum(row.outcome == "unsupported" for row in done.made)
    kept = f", {done.kept} were there" if done.kept else ""
    say(f"{len(done.made)} runs made{kept}; {unsupported} of them are not supported, {len(done.failed)} failed: {out}")
    if done.interrupted:
        say("interrupted; the same command goes on", error=True)
        return 130
    return 1 if done.failed else 0


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str | None) -> tuple[int, ...] | None:
    words = _words(text)
    if words is not None and not (words and all(word.isdecimal() for word in words)):
        raise InputError("whole numbers >= 0 by commas", path="--seeds", value=shown(text))
    return None if words is None else tuple(map(int, words))


def _objectives(text: str | None) -> tuple[Any, ...] | None:
    from optsched.search.multiobjective import objectives_of

    return None if text is None else tuple(objectives_of(text))


def _spec(what: Sequence[Path], tags: Sequence[str], given: dict[str, Any]) -> Spec:
    """Return what a spec, or a list of instances, and the options come to."""
    import msgspec

    from optsched._util.files import read_bytes
    from optsched.bench import Spec, load_spec
    from optsched.bench.library import tagged

    first = what[0]
    is_spec = len(what) == 1 and first.is_file() and b'"optsched-bench/' in read_bytes(first)[:200]
    spec = load_spec(first) if is_spec else Spec(instances=tuple(map(str, what)))
    if tags:
        spec = msgspec.structs.replace(spec, instances=tuple(tagged(list(map(Path, spec.instances)), tags)))
    return from_options({**msgspec.structs.asdict(spec), **given}, Spec)


def _method(row: Row) -> str:
    from optsched.bench.scores import method_of

    return str(method_of(row))


def _tell(done: int, of: int, row: Row) -> None:
    """Print a line for each run that took place."""
    if row.outcome == "unsupported" and done < of:
        return
    said = row.reason if row.outcome != "done" else f"{row.claimed_status} ({row.stopped}), {row.verified_status}"
    value = "" if row.verified_objective is None else f", {row.objective} {row.verified_objective:.6g}"
    gap = "" if row.verified_gap is None else f", gap {100 * min(1.0, row.verified_gap):.3g} %"
    time = "" if row.total_s is None else f", {row.total_s:.2f} s"
    say(f"{done}/{of} {row.instance}: {_method(row)}, seed {row.seed}: {said}{value}{gap}{time}")
    sys.stdout.flush()


def report(
    results: Annotated[Path, typer.Argument(help="Table of runs.", metavar="RESULTS")],
    against: Annotated[Path | None, typer.Option(help="Table of earlier runs, to compare with.")] = None,
    plot: Plot = None,
    shift: Annotated[
        float, typer.Option(min=0.0, help="Seconds added to times, so that milliseconds do not count.")
    ] = 1.0,
    threshold: Annotated[float, typer.Option(help="With --against: ratio of times from which one is worse.")] = 1.5,
    every: Annotated[bool, typer.Option("--every", help="Show every run, too.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show what a table of runs comes to. With --against, exit code 1 if anything got worse."""
    from optsched._util.plotting import drawable
    from optsched.bench import read_rows
    from optsched.bench.compare import compare
    from optsched.bench.scores import best_values, judged, latest, scores

    if not threshold > 1:
        raise InputError("a ratio > 1", path="--threshold", value=shown(threshold))
    writable(plot, results, against)
    drawable(plot)
    every_row = read_rows(results)
    rows = latest(every_row)
    if not rows:
        raise InputError("a table with at least one run", file=str(results))
    older = [] if against is None else latest(read_rows(against))
    best = best_values([*rows, *older])
    runs = judged(rows, best)
    comparison = None
    if against is not None:
        comparison = compare(judged(older, best), runs, threshold=threshold, shift=shift)
    if plot is not None:
        from optsched.bench.plot import plot as drawn

        drawn(runs, comparison, plot, shift)
    groups = {
        decides: scores([row for row in rows if row.decides == decides], mine, shift)
        for decides in sorted({row.decides for row in rows})
        if (mine := [run for run in runs if run.row.decides == decides])
    }
    if as_json:
        print_json(_record(runs, groups, comparison))
    else:
        _print(rows, runs, groups, comparison, shift, len(every_row) - len(rows), every)
    return 1 if comparison is not None and comparison.regressions else 0


def _record(runs: Sequence[Judged], groups: dict[str, list[Score]], comparison: Comparison | None) -> dict[str, Any]:
    """Return a report for programs."""
    from dataclasses import asdict

    record: dict[str, Any] = {
        "methods": [
            {"decides": decides, **asdict(score), "method": str(score.method)}
            for decides, found in groups.items()
            for score in found
        ],
        "refuted": [
            {"instance": run.row.instance, "method": str(run.method), "seed": run.row.seed, "why": run.refuted}
            for run in runs
            if run.refuted
        ],
    }
    if comparison is not None:
        record["comparison"] = {
            "ratio": comparison.ratio if comparison.pairs else None,
            "only_before": comparison.only_before,
            "only_after": comparison.only_after,
            "pairs": [{**asdict(pair), "method": str(pair.method)} for pair in comparison.pairs],
        }
    return record


def _print(
    rows: Sequence[Row],
    runs: Sequence[Judged],
    groups: dict[str, list[Score]],
    comparison: Comparison | None,
    shift: float,
    older: int,
    every: bool,
) -> None:
    from optsched.cli.terminal import MOST_ROWS, console

    terminal = console()
    _print_header(terminal, rows, older)
    for decides, found in groups.items():
        terminal.print()
        terminal.print(head=decides)
        terminal.print(_scores(found, shift))
    if every:
        terminal.print()
        terminal.print(_each(runs))
    for run in [run for run in runs if run.refuted][:MOST_ROWS]:
        where = f"{run.row.instance}, {run.method}, seed {run.row.seed}"
        terminal.print(f"refuted: {where}: {run.refuted}")
    terminal.print()
    terminal.print(
        "proven: a verified plan within the gap of its bound, or none can be; reached: within the gap of the best "
        "plan of all; time: until proven, or the limit; gap, memory: medians; PI: mean primal integral",
        style="dim",
    )
    if comparison is not None:
        _print_comparison(terminal, comparison)


def _print_header(terminal: Terminal, rows: Sequence[Row], older: int) -> None:
    """Say what the runs have in common, and what speaks against comparing them."""
    unlike = {
        field: {getattr(row, field) for row in rows}
        for field in ("optsched", "cpu", "cores", "time_limit", "gap", "python")
    }
    instances, seeds = len({row.fingerprint for row in rows}), len({row.seed for row in rows})
    first = rows[0]
    limit = "no limit" if first.time_limit is None else f"{first.time_limit:g} s"
    terminal.print(
        f"{len(rows)} runs on {instances} instances, {seeds} seeds; {limit}, gap {first.gap:g}; "
        f"optsched {first.optsched}, highspy {first.highspy}, ortools {first.ortools}; "
        f"{first.cpu}, {first.cores} cores",
    )
    for field, values in unlike.items():
        if len(values) > 1:
            listed = ", ".join(sorted(map(str, values)))
            terminal.print(f"note: runs of different {field}: {listed}", style="dim")
    if older:
        terminal.print(f"note: {older} runs of earlier versions are left out", style="dim")


def _scores(found: Sequence[Score], shift: float) -> Page:
    from optsched.cli.terminal import table

    page = table(
        "method",
        "runs",
        "n/a",
        "failed",
        "refuted",
        "proven",
        "reached",
        f"time (+{shift:g} s)",
        "/ best",
        "gap",
        "PI, s",
        "MB",
    )
    for s in found:
        memory = "" if s.peak_mb is None else f"{s.peak_mb:.0f}"
        page.add_row(
            str(s.method),
            str(s.runs),
            str(s.unsupported or ""),
            str(s.failed or ""),
            str(s.refuted or ""),
            str(s.proven),
            str(s.reached),
            f"{s.time_s:.3f}",
            f"{s.to_best:.2f}",
            f"{100 * s.gap:.3g} %",
            f"{s.integral_s:.3g}",
            memory,
        )
    return page


def _each(runs: Sequence[Judged]) -> Page:
    from optsched.cli.terminal import table

    page = table("instance", "method", "seed", "claimed", "verified", "objective", "gap", "time, s", left=2)
    for run in sorted(runs, key=lambda run: (run.row.instance, run.method, run.row.seed)):
        row = run.row
        value = "" if row.verified_objective is None else f"{row.verified_objective:.6g}"
        taken = "" if row.total_s is None else f"{row.total_s:.3f}"
        said = "refuted" if run.refuted else row.verified_status or row.outcome
        page.add_row(
            row.instance,
            str(run.method),
            str(row.seed),
            row.claimed_status,
            said,
            value,
            f"{100 * run.gap:.3g} %",
            taken,
        )
    return page


def _print_comparison(terminal: Terminal, comparison: Comparison) -> None:
    from optsched.cli.terminal import MOST_ROWS, print_rest, table

    pairs = comparison.pairs
    counts = {verdict: sum(pair.verdict == verdict for pair in pairs) for verdict in ("faster", "slower", "same")}
    terminal.print()
    terminal.print(
        f": {len(pairs)} pairs, time x {comparison.ratio:.3f} (geometric mean); "
        + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        + f"; without counterpart: {comparison.only_before} before, {comparison.only_after} now",
        head="against the earlier runs",
    )
    unlike = [pair for pair in pairs if pair.verdict != "same" or pair.worse]
    if not unlike:
        return
    page = table("instance", "method", "before, s", "now, s", "ratio", "worse", left=2)
    for pair in unlike[:MOST_ROWS]:
        times = f"{pair.before_s:.3f}", f"{pair.after_s:.3f}", f"{pair.ratio:.2f}"
        page.add_row(pair.instance, str(pair.method), *times, pair.worse)
    terminal.print(page)
    print_rest(terminal, unlike, "(--json shows all)")
