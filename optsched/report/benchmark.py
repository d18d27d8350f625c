"""The article of a table of runs (``optsched bench run``): which methods prove what, how fast, and what was refuted."""

from __future__ import annotations

from collections.abc import Sequence

from optsched.bench.plot import charts
from optsched.bench.scores import Judged, best_values, judged, latest, scores
from optsched.bench.table import Row
from optsched.report.article import Article, Cell, Part, Picture, Section, TableOf, number

__all__ = ["of_runs"]

_SHIFT = 1.0
"""Seconds added to times, so that milliseconds do not count."""


def of_runs(rows: Sequence[Row], title: str = "") -> Article:
    """Return the article of a table of runs; of equal runs the latest counts."""
    last = latest(rows)
    runs = judged(last, best_values(last))
    sections: list[Section] = []
    for n, decides in enumerate(sorted({run.row.decides for run in runs})):
        mine = [run for run in runs if run.row.decides == decides]
        parts: list[Part] = [_scores([row for row in last if row.decides == decides], mine)]
        for name, what, chart in charts(mine, decides, _SHIFT):
            parts.append(Picture(f"bench-{n}-{name}", what, chart, what))
        sections.append(Section(f"Instances that decide on {decides}", parts))
    sections.append(_each(runs))
    refuted, proven = sum(bool(run.refuted) for run in runs), sum(run.proven for run in runs)
    status = f"{proven} of {len(runs)} runs end with a proof; " + (
        f"{refuted} REFUTED" if refuted else "none is refuted"
    )
    facts = [
        ("Runs", number(len(runs))),
        ("Instances", number(len({run.row.instance for run in runs}))),
        ("Methods", number(len({run.method for run in runs}))),
        ("Processor", next((row.cpu for row in last if row.cpu), "")),
        ("optsched", ", ".join(sorted({row.optsched for row in last if row.optsched})[:3])),
    ]
    return Article(title or "Benchmark", status, [f for f in facts if f[1]], sections, good=not refuted)


def _scores(rows: Sequence[Row], runs: Sequence[Judged]) -> TableOf:
    lines: list[list[Cell]] = [
        [
            str(s.method), s.runs, s.unsupported, s.failed, s.refuted, s.proven, s.reached, s.time_s, s.to_best,
            f"{100 * s.gap:.2g} %", s.integral_s, s.peak_mb,
        ]
        for s in scores(rows, runs, _SHIFT)
    ]  # fmt: skip
    columns = ["method", "runs", "not supported", "failed", "refuted", "proven", "best reached"]
    columns += ["time (s)", "of the fastest", "median gap", "primal integral (s)", "peak MB"]
    return TableOf("Methods (times: geometric mean, 1 s added)", columns, lines)


def _each(runs: Sequence[Judged]) -> Section:
    lines: list[list[Cell]] = [
        [
            run.row.instance, str(run.method), run.row.claimed_status or run.row.outcome, run.refuted or run.row.reason,
            run.row.verified_objective, f"{100 * run.gap:.2g} %" if run.row.verified_objective is not None else "",
            run.row.total_s,
        ]
        for run in runs
    ]  # fmt: skip
    columns = ["instance", "method", "outcome", "why", "value", "gap", "seconds"]
    return Section("Every run", [TableOf("Runs", columns, lines, left=4, folded=len(lines) > 40)])
