"""Pictures of fitted curves: measured points, curve, interval, and piecewise breakpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from optsched._util.arrays import IntArray
from optsched._util.plotting import altair, write_picture
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fitted import CurveFile, Fitted
from optsched.prediction.curves.measurements import Measurements
from optsched.prediction.curves.piecewise import on_integers

__all__ = ["plot"]

_ERROR = 0.01
"""Relative error of the breakpoints that are shown."""


def plot(file: CurveFile, measurements: Measurements, path: Path) -> None:
    """Draw one picture for each fitted curve.

    Each picture shows the throughput over the GPUs at the median local batch: the measured rows of that
    batch, the curve on packed nodes with its 80 % interval, and the breakpoints that keep 1 %.
    """
    alt = altair()
    groups = measurements.configured.groups()
    charts = [
        _chart(alt, fitted, measurements, groups[key])
        for fitted in file.curves
        if (key := (fitted.model, fitted.gpu_type, fitted.variant)) in groups
    ]
    write_picture(alt.concat(*charts, columns=3), path)


def _chart(alt: Any, fitted: Fitted, measurements: Measurements, rows: IntArray) -> Any:
    """Return the picture of one curve."""
    points = measurements.configured.points.take(rows)
    batches, counts = np.unique(points.local_batch, return_counts=True)
    batch = float(batches[np.argmax(counts)])
    own = points.local_batch == batch
    measured = pl.DataFrame(
        {
            "gpus": points.gpus[own],
            "rate": measurements.throughput[rows][own],
            "nodes": points.nodes[own],
        }
    )
    gpus = np.arange(1, int(points.gpus.max()) + 1)
    nodes = np.ceil(gpus / fitted.gpus_per_node)
    if servers := float(np.median(points.servers)):
        nodes = gpus
    grid = Points.of(gpus, nodes=nodes, local_batch=batch, servers=servers)
    rate = fitted.curve.throughput(grid)
    reach = np.exp(Z80 * fitted.curve.log_deviation(grid))
    curve = pl.DataFrame({"gpus": gpus, "rate": rate, "low": rate / reach, "high": rate * reach})
    knots = on_integers(gpus, rate, _ERROR).breakpoints
    breaks = pl.DataFrame({"gpus": knots[0], "rate": knots[1]})
    across = alt.X("gpus:Q", title="GPUs")
    up = alt.Y("rate:Q", title="examples/s")
    band = alt.Chart(curve).mark_area(opacity=0.25).encode(x=across, y=alt.Y("low:Q"), y2="high:Q")
    line = alt.Chart(curve).mark_line().encode(x=across, y=up)
    dots = alt.Chart(measured).mark_point(size=18, color="black").encode(x=across, y=up, tooltip=["nodes", "rate"])
    marks = alt.Chart(breaks).mark_point(shape="diamond", filled=True, color="crimson").encode(x=across, y=up)
    title = f"{fitted.name}, {batch:g} examples/GPU"
    return (band + line + dots + marks).properties(title=title, width=260, height=180)
