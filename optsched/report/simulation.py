"""The articles of simulations: policies compared, and completion times from the table of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optsched._util.plotting import KINDS, altair
from optsched.report.article import Article, Cell, Part, Picture, Section, TableOf, number

__all__ = ["of_jobs", "of_rows"]

_MEASURES = (
    ("average_completion_s", "Average completion", "hours", 3600.0),
    ("p99_completion_s", "99th percentile of completion", "hours", 3600.0),
    ("average_queueing_s", "Average queueing", "hours", 3600.0),
    ("worst_finish_time_fairness", "Worst finish-time fairness", "times its own share", 1.0),
    ("utilization", "GPU time used", "part", 1.0),
    ("allocated_share", "GPUs handed out", "part", 1.0),
)
_POINTS = 300


def of_rows(rows: Sequence[dict[str, Any]], title: str = "") -> Article:
    """Return the article of what ``optsched simulate --json`` writes."""
    policies = list(dict.fromkeys(str(row["policy"]) for row in rows))
    workloads = list(dict.fromkeys(str(row.get("workload", "")) for row in rows))
    known = [one for one in _MEASURES if all(_real(row.get(one[0])) for row in rows)]
    parts: list[Part] = [_bars(rows, policies, measure) for measure in known]
    columns = [name for name in rows[0] if name not in ("workload", "policy", "seed")]
    means: list[list[Cell]] = []
    for workload in workloads:
        for policy in policies:
            mine = [row for row in rows if (str(row.get("workload", "")), str(row["policy"])) == (workload, policy)]
            if mine:
                means.append([workload, policy, len(mine), *(_mean(mine, name) for name in columns)])
    head = ["workload", "policy", "seeds", *(name.replace("_", " ") for name in columns)]
    metric = known[0][0] if known else ""
    sections = [
        Section("Policies side by side", parts, grid=True),
        Section("All numbers", [TableOf("Means over seeds", head, means, left=2)]),
    ]
    return Article(
        title or "Simulated policies", _best(means, columns, metric), _facts(rows, policies, workloads), sections
    )


def _best(means: list[list[Cell]], columns: list[str], metric: str) -> str:
    if not metric:
        return "Policies were simulated"
    best: dict[Cell, tuple[float, Cell]] = {}
    at = 3 + columns.index(metric)
    most = metric == "allocated_share"
    for line in means:
        value = float(line[at] or 0.0)
        if line[0] not in best or (value > best[line[0]][0] if most else value < best[line[0]][0]):
            best[line[0]] = value, line[1]
    what = "Most GPUs handed out" if most else "Least average completion time"
    unit = "" if most else " h"
    said = [
        f"{policy} ({number(value / (1 if most else 3600))}{unit}{f' on {w}' if w else ''})"
        for w, (value, policy) in best.items()
    ]
    return f"{what}: " + ", ".join(said[:4]) + (f" and {len(said) - 4} more workloads" if len(said) > 4 else "")


def _facts(rows: Sequence[dict[str, Any]], policies: list[str], workloads: list[str]) -> list[tuple[str, str]]:
    seeds = sorted({row.get("seed", 0) for row in rows})
    found = [("Policies", ", ".join(policies)), ("Workloads", ", ".join(workloads))]
    return [*found, ("Seeds", ", ".join(map(str, seeds[:12]))), ("Simulations", number(len(rows)))]


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if _real(row.get(name))]
    return float(np.mean(values)) if values else None


def _bars(rows: Sequence[dict[str, Any]], policies: list[str], measure: tuple[str, str, str, float]) -> Picture:
    """Return the mean of a number over the seeds of each policy, with a point for each simulation."""
    name, title, unit, scale = measure
    alt = altair()
    values = [
        {
            "policy": str(row["policy"]),
            "workload": str(row.get("workload", "")),
            "seed": row.get("seed"),
            "x": row[name] / scale,
        }
        for row in rows
    ]
    base = alt.Chart(alt.Data(values=values)).encode(y=alt.Y("policy:N", sort=policies, title=None))
    chart = base.mark_bar(color=KINDS[5], opacity=0.8).encode(x=alt.X("mean(x):Q", title=unit)) + base.mark_point(
        color=KINDS[1], size=26, opacity=0.9
    ).encode(x="x:Q", tooltip=["policy:N", "workload:N", "seed:Q", "x:Q"])
    says = f"{title} of each policy ({unit}): mean over simulations, and each simulation"
    return Picture(
        f"sim-{name.replace('_', '-')}", f"{title} ({unit})", chart.properties(width=270, height={"step": 22}), says
    )


def of_jobs(table: Any, title: str = "") -> Article:
    """Return the article of what ``optsched simulate --jobs`` writes, as a polars table."""
    alt = altair()
    names = list(dict.fromkeys(zip(table["workload"].to_list(), table["policy"].to_list(), strict=True)))
    several = len({workload for workload, _ in names}) > 1
    labels = {pair: f"{pair[1]} on {pair[0]}" if several else str(pair[1]) for pair in names}
    order = list(labels.values())
    parts: list[Part] = []
    for column, what, unit, scale in (
        ("completion_s", "Completion time", "hours", 3600.0),
        ("queueing_s", "Queueing time", "hours", 3600.0),
        ("finish_time_fairness", "Finish-time fairness", "times its own share", 1.0),
    ):
        values: list[dict[str, Any]] = []
        for (workload, policy), label in labels.items():
            mine = table.filter((table["workload"] == workload) & (table["policy"] == policy))
            times = np.sort(mine[column].drop_nulls().to_numpy()) / scale
            at = np.unique(np.linspace(0, max(0, len(times) - 1), _POINTS).astype(np.int64))[: len(times)]
            values += [{"policy": label, "x": float(f"{times[k]:.5g}"), "part": (int(k) + 1) / len(times)} for k in at]
        chart = (
            alt.Chart(alt.Data(values=values))
            .mark_line(interpolate="step-after", strokeWidth=2)
            .encode(
                x=alt.X("x:Q", title=unit, scale=alt.Scale(type="symlog")),
                y=alt.Y("part:Q", title="part of the jobs", axis=alt.Axis(format="%")),
                color=alt.Color("policy:N", sort=order, title=None, scale=alt.Scale(domain=order)),
                strokeDash=alt.StrokeDash("policy:N", sort=order, title=None, scale=alt.Scale(domain=order)),
                tooltip=["policy:N", "x:Q", "part:Q"],
            )
            .properties(width=980, height=230)
        )
        parts.append(
            Picture(
                f"jobs-{column.replace('_', '-')}", f"{what}: part of the jobs within it", chart, f"{what} by policy"
            )
        )
    unfinished = int(table["finish_s"].null_count())
    status = f"{len(table):,} jobs in {len(names)} simulations" + (
        f", {unfinished} did not finish" if unfinished else ""
    )
    return Article(title or "Jobs of simulations", status, [("Policies", ", ".join(order))], [Section("Jobs", parts)])
