"""Fairness of a plan: what each job has compared with its own share of the cluster, and what tenants hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from optsched._util.plotting import KINDS, altair
from optsched.checker.recompute import Truth
from optsched.explain.plans import entitlements
from optsched.instance import Instance
from optsched.instance.solution import Allocation
from optsched.report.article import Part, Picture, Section, TableOf

__all__ = ["fairness"]

_NAMED = 45
"""Jobs up to which each has a row of its own."""


def fairness(allocations: Sequence[Allocation], truth: Truth) -> Iterator[Section]:
    """Return the section of fairness.

    A job's own share is its weight's part of the cluster (sharing incentive: Ghodsi et al., NSDI'11, sec. 3).
    """
    instance = truth.instance
    here = [job for job in instance.jobs if job.arrival_s <= instance.now_s]
    if not allocations or not here:
        return
    alone, _ = entitlements(instance)
    progress = {a.job: a.progress for a in allocations}
    rows: list[dict[str, Any]] = [
        {"job": job.id, "tenant": job.tenant, "has": progress.get(job.id, 0.0), "alone": alone.get(job.id, 0.0)}
        for job in here
    ]
    less = sum(row["has"] < row["alone"] * (1 - 1e-6) for row in rows)
    parts: list[Part] = [
        "Progress 1 is a job's reference (its best goodput on the fewest GPUs). A job's own share is what it would "
        f"have of the cluster by its weight, if it had that to itself. {less} of {len(rows)} jobs have less than that."
    ]
    parts.append(_named(rows) if len(rows) <= _NAMED else _cloud(rows))
    table = [[row["job"], row["tenant"], row["has"], row["alone"]] for row in rows]
    parts.append(TableOf("Progress", ["job", "tenant", "progress", "with its own share"], table, left=2, folded=True))
    if len({job.tenant for job in here}) > 1:
        parts.append(_tenants(allocations, instance, here))
    yield Section("Fairness", parts)


def _named(rows: list[dict[str, Any]]) -> Picture:
    """Return a row for each job: its progress, and that of its own share."""
    alt = altair()
    rows = sorted(rows, key=lambda row: -row["has"])
    kinds = ["progress", "with its own share"]
    values = [
        {"job": row["job"], "what": what, "progress": row[key]}
        for row in rows
        for what, key in zip(kinds, ("has", "alone"), strict=True)
    ]
    data = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("job:N", sort=[row["job"] for row in rows], title=None, axis=alt.Axis(grid=True)),
        x=alt.X("progress:Q", title="progress"),
    )
    scale = {"domain": kinds}
    chart = data.mark_point(filled=True, size=80, opacity=1).encode(
        color=alt.Color("what:N", title=None, scale=alt.Scale(**scale, range=list(KINDS[:2]))),
        shape=alt.Shape("what:N", title=None, scale=alt.Scale(**scale, range=["circle", "diamond"])),
        tooltip=["job:N", "what:N", "progress:Q"],
    )
    says = "progress of each job, and what it would have with its own share of the cluster"
    return Picture("fairness", "Progress of each job", chart.properties(width=860, height={"step": 18}), says)


def _cloud(rows: list[dict[str, Any]]) -> Picture:
    """Return a point for each job; those below the line have less than with their own share."""
    alt = altair()
    most = max(max(row["has"], row["alone"]) for row in rows) or 1.0
    line = alt.Chart(alt.Data(values=[{"a": 0, "b": 0}, {"a": most, "b": most}]))
    dots = alt.Chart(
        alt.Data(values=[{k: v if isinstance(v, str) else float(f"{v:.4g}") for k, v in r.items()} for r in rows])
    )
    chart = line.mark_line(color="#8a94a0", strokeDash=[5, 4]).encode(x="a:Q", y="b:Q") + dots.mark_point(
        filled=True, size=26, opacity=0.55, color=KINDS[0]
    ).encode(
        x=alt.X("alone:Q", title="progress with its own share", scale=alt.Scale(type="symlog")),
        y=alt.Y("has:Q", title="progress", scale=alt.Scale(type="symlog")),
        tooltip=["job:N", "tenant:N", "has:Q", "alone:Q"],
    )
    says = f"progress of {len(rows)} jobs over what each would have with its own share of the cluster"
    return Picture(
        "fairness", "Progress of each job; below the line is less than with its own share",
        chart.properties(width=620, height=380), says,
    )  # fmt: skip


def _tenants(allocations: Sequence[Allocation], instance: Instance, here: Sequence[Any]) -> TableOf:
    weights = {tenant.id: tenant.weight for tenant in instance.tenants}
    tenant = {job.id: job.tenant for job in instance.jobs}
    names = list(dict.fromkeys(job.tenant for job in here))
    whole = sum(weights.get(name, 1.0) for name in names)
    held: dict[str, int] = defaultdict(int)
    runs: dict[str, int] = defaultdict(int)
    for a in allocations:
        held[tenant[a.job]] += a.gpus
        runs[tenant[a.job]] += 1
    gpus = sum(held.values()) or 1
    rows = [
        [
            name,
            runs[name],
            held[name],
            f"{100 * held[name] / gpus:.1f} %",
            f"{100 * weights.get(name, 1.0) / whole:.1f} %",
        ]
        for name in names
    ]
    return TableOf("Tenants", ["tenant", "jobs that run", "GPUs", "of those held", "share by weight"], rows)
