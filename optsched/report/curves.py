"""Each job's curve, with its 80 % interval and the point that the plan gives the job.

Jobs share a picture only where they share the curve, the GPU type, the batch, the parameter servers and the rate, so
that every point lies on a line of its own kind: the line of packed GPUs, or that of as many servers as the job has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from optsched._util.arrays import FloatArray
from optsched._util.plotting import KINDS, altair
from optsched.checker.recompute import Truth
from optsched.instance.solution import Allocation
from optsched.prediction.curves import Points
from optsched.report.article import Chooser, Part, Picture, Section, number

__all__ = ["curves"]

_SMALL = 12
"""Pictures side by side; of more curves, one is shown at a time."""
_MOST = 1000
"""Curves that can be chosen."""
_POINTS, _FEW, _FEW_POINTS = 48, 100, 16
"""GPU counts at which a curve is drawn; fewer where there are more than so many curves."""
_LINES = ["packed", "on the job's servers"]

Data = dict[str, list[dict[str, Any]]]


class _Kind(NamedTuple):
    """What the jobs of one picture have in common."""

    curve: str
    site: str
    gpu_type: str
    local_batch: float | None
    accumulation: int
    servers: int
    gbps: float | None
    nodes: int
    """Servers of the dashed line; 0 where the jobs' GPUs are packed."""
    most_per_server: int


def curves(allocations: Sequence[Allocation], truth: Truth) -> Iterator[Section]:
    """Return the section of curves; jobs whose throughputs are listed in the instance have none."""
    kinds: dict[_Kind, list[Allocation]] = defaultdict(list)
    for a in allocations:
        job = truth.jobs[a.job]
        if a.gpu_type in job.curves:
            packed = truth.fewest_nodes(job, a.site, a.gpu_type, a.gpus)
            of = (job.curves[a.gpu_type], a.site, a.gpu_type, a.local_batch, a.accumulation, a.servers, a.gbps)
            kinds[_Kind(*of, a.nodes if a.nodes != packed else 0, job.max_gpus_per_server or 0)].append(a)
    if not kinds:
        return
    ordered = sorted(kinds, key=lambda kind: -sum(a.gpus for a in kinds[kind]))[:_MOST]
    points = _POINTS if len(ordered) <= _FEW else _FEW_POINTS
    drawn = [(_title(kind, kinds[kind]), _data(kind, kinds[kind], truth, points)) for kind in ordered]
    parts: list[Part] = [
        "A line is the predicted throughput at the job's own batch, the band its 80 % interval, the point what the "
        "plan gives. The dashed line is for as many servers as the job has, where its GPUs are not packed."
        + (f" Lines are drawn through {points} numbers of GPUs at most." if points == _FEW_POINTS else "")
    ]
    for n, (title, data) in enumerate(drawn[:_SMALL]):
        says = f"throughput over GPUs: {title}"
        parts.append(Picture(f"curve-{n}", title, _chart(data), says))
    if len(drawn) > _SMALL:
        title, data = drawn[0]
        first = Picture("curve-chosen", title, _chart(data, 760, 300, named=True), f"throughput over GPUs: {title}")
        parts.append(Chooser(first, "Any other curve:", [(title, title, data) for title, data in drawn]))
    cut = f", {len(kinds) - _MOST} more are not drawn" if len(kinds) > _MOST else ""
    yield Section(f"Curves ({len(kinds)}{cut})", parts, grid=True)


def _title(kind: _Kind, allocations: Sequence[Allocation]) -> str:
    names = [a.job for a in allocations]
    who = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
    said = [kind.gpu_type]
    if kind.local_batch is not None:
        said.append(
            f"{number(kind.local_batch)} examples/GPU" + (f" × {kind.accumulation}" if kind.accumulation > 1 else "")
        )
    if kind.servers:
        said.append(f"{kind.servers} parameter servers")
    if kind.gbps is not None:
        said.append(f"{number(kind.gbps)} Gb/s")
    if kind.nodes:
        said.append(f"on {kind.nodes} servers")
    return f"{who}: {', '.join(said)}"


def _data(kind: _Kind, allocations: Sequence[Allocation], truth: Truth, most_points: int) -> Data:
    """Return the values of the lines and the points."""
    job = truth.jobs[allocations[0].job]
    held = max(a.gpus for a in allocations)
    pool = truth.gpus(kind.site, kind.gpu_type)
    most = max(held, min(pool, job.max_gpus or pool, max(8, 2 * held)))
    gpus = np.unique(
        np.rint(np.append(np.linspace(1, most, min(most, most_points)), [a.gpus for a in allocations]))
    ).astype(np.int64)
    nodes = np.array([truth.fewest_nodes(job, kind.site, kind.gpu_type, int(g)) for g in gpus])
    lines = _line(kind, truth, gpus, nodes, _LINES[0])
    if kind.nodes:
        there = (gpus >= kind.nodes) & (nodes <= kind.nodes)
        lines += _line(kind, truth, gpus[there], np.full(int(there.sum()), kind.nodes), _LINES[1])
    points = []
    for a in allocations[:200]:
        low, high = _interval(kind, truth, np.array([a.gpus]), np.array([a.nodes]))
        points.append(
            {
                "job": a.job, "gpus": a.gpus, "servers": a.nodes, "rate": _short(a.throughput),
                "low": _short(low[0]), "high": _short(high[0]),
            }
        )  # fmt: skip
    return {"lines": lines, "points": points}


def _at(kind: _Kind, gpus: Any, nodes: Any) -> Points:
    batch = np.nan if kind.local_batch is None else kind.local_batch
    gbps = np.nan if kind.gbps is None else np.where(np.asarray(nodes) > 1, kind.gbps, np.nan)
    if kind.servers and kind.gbps is not None:
        gbps = kind.gbps
    return Points.of(
        gpus, nodes=nodes, local_batch=batch, accumulation=kind.accumulation, servers=kind.servers, gbps=gbps
    )


def _interval(kind: _Kind, truth: Truth, gpus: Any, nodes: Any) -> tuple[FloatArray, FloatArray]:
    with np.errstate(all="ignore"):
        return truth.instance.curves[kind.curve].interval(_at(kind, gpus, nodes))


def _line(kind: _Kind, truth: Truth, gpus: Any, nodes: Any, what: str) -> list[dict[str, Any]]:
    if not len(gpus):
        return []
    with np.errstate(all="ignore"):
        rate = truth.instance.curves[kind.curve].throughput(_at(kind, gpus, nodes))
    low, high = _interval(kind, truth, gpus, nodes)
    return [
        {"what": what, "gpus": int(g), "rate": _short(r), "low": _short(a), "high": _short(b)}
        for g, r, a, b in zip(gpus, rate, low, high, strict=True)
        if np.isfinite(r)
    ]


def _short(value: Any) -> float | None:
    return float(f"{float(value):.5g}") if np.isfinite(value) else None


def _chart(data: Data, width: int = 270, height: int = 170, *, named: bool = False) -> Any:
    """Return the picture of a curve; ``named``: its data have names, by which a page exchanges them."""
    alt = altair()
    lines, points = (
        alt.Chart(alt.Data(values=data[name], **({"name": name} if named else {}))) for name in ("lines", "points")
    )
    x = alt.X("gpus:Q", title="GPUs", axis=alt.Axis(tickMinStep=1, tickCount=6), scale=alt.Scale(zero=True))
    y = alt.Y("rate:Q", title="examples/s", axis=alt.Axis(format="~s", tickCount=5))
    dash = alt.StrokeDash("what:N", scale=alt.Scale(domain=_LINES, range=[[1, 0], [5, 4]]), legend=None)
    tip = [
        alt.Tooltip("job:N"),
        alt.Tooltip("gpus:Q", title="GPUs"),
        "servers:Q",
        alt.Tooltip("rate:Q", title="examples/s"),
    ]
    band = lines.mark_area(opacity=0.22, color=KINDS[0]).encode(
        x=x, y=alt.Y("low:Q", title="examples/s"), y2="high:Q", detail="what:N"
    )
    line = lines.mark_line(color=KINDS[0], strokeWidth=2).encode(x=x, y=y, strokeDash=dash)
    reach = points.mark_rule(color=KINDS[1], strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q")
    dots = points.mark_point(filled=True, size=70, color=KINDS[1], opacity=1).encode(x=x, y=y, tooltip=tip)
    return alt.layer(band, line, reach, dots).properties(width=width, height=height)
