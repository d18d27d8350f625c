"""Pictures of fitted curves: measured points, curves, intervals, and piecewise breakpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from optsched._util.arrays import IntArray
from optsched._util.plotting import KINDS, altair, write_picture
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fitted import CurveFile, Fitted
from optsched.prediction.curves.measurements import Measurements
from optsched.prediction.curves.piecewise import on_integers

__all__ = ["plot"]

_ERROR = 0.01
"""Relative error of the breakpoints that are shown."""
_BATCHES, _LINES = 2, 4
"""Batches of a curve that have a picture, and placements of a batch that have a line: those that were measured most."""


class _Placement(NamedTuple):
    """What the points of one line have in common; ``nodes`` is 0 where each GPU has a node of its own."""

    nodes: int
    servers: int
    gbps: float | None

    def __str__(self) -> str:
        parts = [f"{self.nodes} node{'s' * (self.nodes > 1)}" if self.nodes else "a node for each GPU"]
        parts += [f"{self.servers} parameter servers"] if self.servers else []
        return ", ".join(parts + ([f"{self.gbps:g} Gb/s"] if self.gbps is not None else []))


def plot(file: CurveFile, measurements: Measurements, path: Path) -> None:
    """Draw the throughput over the GPUs of each fitted curve, a picture for each of its most measured batches.

    A picture has a line for each placement (number of nodes) that was measured, with its 80 % interval, the measured
    rows of that placement, and the breakpoints that keep 1 %.
    """
    alt = altair()
    groups = measurements.configured.groups()
    drawn = [
        (fitted, *one)
        for fitted in file.curves
        if (key := (fitted.model, fitted.gpu_type, fitted.variant)) in groups
        for one in _by_batch(measurements.configured.points, groups[key])
    ]
    found = {placement for _, _, _, rows in drawn for placement in rows}
    names = [str(placement) for placement in sorted(found, key=lambda one: (one.nodes, one.servers, one.gbps or 0.0))]
    charts = [
        _chart(alt, fitted, title, measurements, batch, rows, names) for fitted, title, batch, rows in _titled(drawn)
    ]
    heading = "Throughput by GPUs: measured (points), fitted (lines, 80 % intervals), breakpoints within 1 % (diamonds)"
    write_picture(alt.concat(*charts, columns=3, title=heading), path, "optsched fit")


_Drawn = tuple[Fitted, tuple[float, float], int, dict[_Placement, IntArray]]


def _titled(drawn: list[_Drawn]) -> Iterator[tuple[Fitted, str, tuple[float, float], dict[_Placement, IntArray]]]:
    for fitted, batch, of, rows in drawn:
        local, passes = batch
        said = "" if np.isnan(local) else f", {local:g} examples/GPU" + (f" in {passes:g} passes" if passes > 1 else "")
        more = f" (1 of {of} batches)" if of > _BATCHES else ""
        yield fitted, f"{fitted.name}{said}{more}", batch, rows


def _by_batch(points: Points, rows: IntArray) -> Iterator[tuple[tuple[float, float], int, dict[_Placement, IntArray]]]:
    """Yield each of the most measured batches, how many there are, and the rows of each of its placements."""
    batches, which, counts = np.unique(
        np.column_stack([points.local_batch[rows], points.accumulation[rows]]),
        axis=0, return_inverse=True, return_counts=True,
    )  # fmt: skip
    for number in np.argsort(-counts, kind="stable")[:_BATCHES].tolist():
        mine = rows[which.ravel() == number]
        apart = bool((points.nodes[mine] == points.gpus[mine]).all() and points.gpus[mine].max() > 1)
        placed: dict[_Placement, list[int]] = {}
        for row in mine.tolist():
            gbps = float(points.gbps[row])
            nodes = 0 if apart else int(points.nodes[row])
            key = _Placement(nodes, int(points.servers[row]), None if np.isnan(gbps) else gbps)
            placed.setdefault(key, []).append(row)
        most = sorted(placed, key=lambda key: (-len(placed[key]), key.nodes, key.servers))[:_LINES]
        batch = float(batches[number, 0]), float(batches[number, 1])
        yield batch, len(counts), {key: np.array(placed[key]) for key in sorted(most, key=lambda one: one[:2])}


def _chart(
    alt: Any,
    fitted: Fitted,
    title: str,
    measurements: Measurements,
    batch: tuple[float, float],
    placed: dict[_Placement, IntArray],
    names: list[str],
) -> Any:
    """Return the picture of one curve at one batch."""
    points = measurements.configured.points
    lines: list[dict[str, Any]] = []
    dots: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for placement, rows in placed.items():
        name = str(placement)
        for row in rows.tolist():
            rate = float(measurements.throughput[row])
            dots.append({"gpus": int(points.gpus[row]), "rate": rate, "placement": name})
        most = int(points.gpus[rows].max())
        gpus = np.arange(max(1, placement.nodes), max(most, placement.nodes * fitted.gpus_per_node) + 1)
        grid = Points.of(
            gpus,
            nodes=placement.nodes or gpus,
            local_batch=batch[0],
            accumulation=batch[1],
            servers=placement.servers,
            gbps=np.nan if placement.gbps is None else placement.gbps,
        )
        rates, reach = fitted.curve.throughput(grid), np.exp(Z80 * fitted.curve.log_deviation(grid))
        known = np.isfinite(rates)
        for n in np.flatnonzero(known).tolist():
            low, high = float(rates[n] / reach[n]), float(rates[n] * reach[n])
            lines.append({"gpus": int(gpus[n]), "rate": float(rates[n]), "low": low, "high": high, "placement": name})
        if known.all() and len(gpus) > 1:
            knots = on_integers(gpus, rates, _ERROR).breakpoints
            marks += [{"gpus": float(x), "rate": float(y), "placement": name} for x, y in zip(*knots, strict=True)]
    scale = alt.Scale(domain=names, range=[KINDS[n % len(KINDS)] for n in range(len(names))])
    colour = alt.Color("placement:N", title="placement", scale=scale, legend=alt.Legend(symbolOpacity=1))
    across, up = alt.X("gpus:Q", title="GPUs", axis=alt.Axis(tickMinStep=1)), alt.Y("rate:Q", title="examples/s")
    base = alt.Chart(alt.Data(values=lines)).encode(x=across, color=colour)
    band = base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", title="examples/s"), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(
        y=up, strokeDash=alt.StrokeDash("placement:N", title="placement", scale=alt.Scale(domain=names))
    )
    measured = alt.Chart(alt.Data(values=dots)).mark_point(size=28, filled=True, opacity=0.9)
    breaks = alt.Chart(alt.Data(values=marks)).mark_point(shape="diamond", size=55, filled=False, strokeWidth=1.5)
    tips = ["placement:N", "gpus:Q", "rate:Q"]
    parts = [band, line, breaks.encode(x=across, y=up, color=colour)]
    parts.append(measured.encode(x=across, y=up, color=colour, tooltip=tips))
    return alt.layer(*parts).properties(title=title, width=290, height=200)
