"""Rigid jobs from the table of a trace: when they came, how long they ran, on how many GPUs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from optsched.errors import InputError, shown
from optsched.prediction.curves.measurements import read_table
from optsched.simulate.workload import Pool, TraceJob, Workload

__all__ = ["rigid_trace"]

_PHILLY = (Pool(gpu_type="gpu", servers=311, gpus_per_server=8),)
"""About the GPUs of the cluster of the Philly trace (2,490; Jeon et al., ATC'19, sec. 2), in whole servers."""


def rigid_trace(path: Path, *, cluster: tuple[Pool, ...] | None = None) -> Workload:
    """Return the jobs of a table with ``duration_s``, ``gpus``, and ``arrival_s`` or ``submitted`` (date and time).

    Columns ``id``, ``queue`` or ``virtual_cluster``, ``priority`` and ``gpu_type`` are used where they are there.
    Jobs of no duration or no GPUs are left out, and so are those that are larger than every pool.

    Parameters
    ----------
    cluster
        Default: 2,488 GPUs on servers of 8, about what Philly had.
    """
    file = str(path)
    table = read_table(path, ("duration_s", "gpus"))
    pools = cluster or _PHILLY
    duration, gpus = _numbers(table, "duration_s", file), _numbers(table, "gpus", file)
    if "arrival_s" in table.columns:
        arrival = _numbers(table, "arrival_s", file)
    elif "submitted" in table.columns:
        texts = table["submitted"].cast(pl.String).str.replace("T", " ")
        moments = texts.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False)
        if moments.null_count():
            row = int(np.argmax(moments.is_null().to_numpy()))
            raise InputError(
                "a date and time",
                path=f"line {row + 2}, column submitted",
                value=shown(table["submitted"][row]),
                file=file,
            )
        arrival = moments.dt.epoch("s").to_numpy().astype(np.float64)
    else:
        raise InputError("a column arrival_s or submitted", file=file)
    arrival = arrival - (arrival.min() if len(arrival) else 0.0)
    most = max(pool.servers * pool.gpus_per_server for pool in pools)
    size = np.rint(gpus).astype(np.int64)
    kept = np.flatnonzero((duration > 0) & (size > 0) & (size <= most))
    queue = next((c for c in ("queue", "virtual_cluster") if c in table.columns), None)
    columns = {
        name: table[name].cast(pl.String).to_list() for name in ("id", queue, "gpu_type") if name in table.columns
    }
    priority = _numbers(table, "priority", file) if "priority" in table.columns else np.zeros(len(size))
    jobs = tuple(
        TraceJob(
            id=columns["id"][k] if "id" in columns else f"job-{k}",
            arrival_s=float(arrival[k]),
            work=float(duration[k]),
            gpus=int(size[k]),
            queue=(columns[queue][k] if queue else None) or "default",
            priority=int(priority[k]),
            gpu_types=(columns["gpu_type"][k],) if "gpu_type" in columns and columns["gpu_type"][k] else None,
        )
        for k in kept.tolist()
    )
    left = len(size) - len(jobs)
    source = f"{path.name}" + (f" ({left} rows without time or GPUs, or too large, left out)" if left else "")
    return Workload(format="optsched-workload/1", cluster=pools, jobs=jobs, name=path.stem, source=source)


def _numbers(table: pl.DataFrame, name: str, file: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values = table[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise InputError("a number", path=f"line {row + 2}, column {name}", value=shown(table[name][row]), file=file)
    return values
