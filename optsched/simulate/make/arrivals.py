"""Elastic jobs from a table of arrivals, with curves that were fitted or measured, and the noise of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.curves import Curve
from optsched.prediction.curves.measurements import read_table
from optsched.simulate.workload import Application, Pool, TraceJob, Workload

__all__ = ["arrivals"]

_CLUSTER = (
    Pool(gpu_type="t4", servers=6, gpus_per_server=4),
    Pool(gpu_type="rtx2080ti", servers=3, gpus_per_server=8),
    Pool(gpu_type="a100", servers=2, gpus_per_server=8),
)
"""The heterogeneous cluster of Sia's evaluation (SOSP'23, sec. 4.1): 64 GPUs of three types."""

_STAGES = 10
_RESTART_S = 60.0
_HOURS = 2.0
"""Without a table of runs: hours of work on the GPUs asked for, of the slowest type."""


def arrivals(
    path: Path,
    curves: Path,
    *,
    cluster: tuple[Pool, ...] | None = None,
    convergence: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Workload:
    """Return the jobs of a table with columns ``name, time, application, num_replicas, batch_size``.

    Parameters
    ----------
    curves
        Fitted curves (optsched-curves/1), or a table of measured throughputs, to which they are fitted now.
    cluster
        Default: 24 T4 on servers of 4, 24 RTX 2080 Ti and 16 A100 on servers of 8.
    convergence
        A table of training runs: the work of an application is that of its longest run, the noise scale that of its
        runs, in ten stages. Without it each application works two hours on what its first job asks for, on the
        slowest type, and every example counts the same.

    An application without curves gets those of the one whose batches are nearest to its own; the source says so.
    """
    file = str(path)
    table = read_table(path, ("name", "time", "application", "num_replicas", "batch_size"))
    numbers = {}
    for name in ("time", "num_replicas", "batch_size"):
        values = table[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
        wrong = ~np.isfinite(values) | (values < (0 if name == "time" else 1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                "a number in range", path=f"line {row + 2}, column {name}", value=shown(table[name][row]), file=file
            )
        numbers[name] = values
    kinds = table["application"].cast(pl.String).to_list()
    known, notes, fitted = _curves(curves, kinds, numbers["batch_size"], report)
    pools = cluster or _CLUSTER
    noise, work, base, most = _convergence(convergence)
    types = {pool.gpu_type for pool in pools}
    applications, of = [], {}
    for kind in dict.fromkeys(kinds):
        source = known[kind]
        mine = {t: f"{source}/{t}" for t in sorted(types) if f"{source}/{t}" in fitted}
        if not mine:
            raise InputError(f"a curve of {source} on one of {', '.join(sorted(types))}", file=str(curves))
        asked = numbers["batch_size"][[k for k, other in enumerate(kinds) if other == kind]]
        app = Application(
            id=kind,
            curves=mine,
            base_batch=base.get(source, float(asked.min())),
            max_batch=float(max(asked.max(), most.get(source, 0.0))),
            noise_scale=noise.get(source, ()),
            restart_s=_RESTART_S,
        )
        applications.append(app)
        of[kind] = work.get(source)
    names = table["name"].cast(pl.String).to_list()
    jobs = []
    for k, kind in enumerate(kinds):
        gpus = int(numbers["num_replicas"][k])
        job_work = of[kind]
        if job_work is None:
            batch = numbers["batch_size"][k]
            rates = [
                _rate(fitted[f"{known[kind]}/{p.gpu_type}"], gpus, p, batch)
                for p in pools
                if f"{known[kind]}/{p.gpu_type}" in fitted
            ]
            of[kind] = job_work = _HOURS * 3600 * min(r for r in rates if np.isfinite(r))
        jobs.append(
            TraceJob(
                id=names[k],
                arrival_s=float(numbers["time"][k]),
                application=kind,
                gpus=gpus,
                batch=float(numbers["batch_size"][k]),
                work=float(job_work),
            )
        )
    used = {name: fitted[name] for app in applications for name in app.curves.values()}
    text = "; ".join([path.name, f"curves of {curves.name}", *([convergence.name] if convergence else []), *notes])
    return Workload(
        format="optsched-workload/1",
        cluster=pools,
        jobs=tuple(jobs),
        applications=tuple(applications),
        curves=used,
        name=path.stem,
        source=text,
    )


def _curves(
    path: Path, kinds: list[str], batches: FloatArray, report: Callable[[str], None] | None
) -> tuple[dict[str, str], list[str], dict[str, Curve]]:
    """Return whose curves each application uses, notes on substitutes, and all curves as ``model/type``."""
    from optsched.prediction.curves.fitted import load_curves

    if path.suffix.lower() == ".csv":
        from optsched.prediction.curves.fit import fit
        from optsched.prediction.curves.measurements import read_measurements

        file = fit(read_measurements(path), source=path.name, family="allreduce", cross_validate=False, report=report)
    else:
        file = load_curves(path)
    fitted = {f"{c.model}/{c.gpu_type}": c.curve for c in file.curves}
    models = {c.model for c in file.curves}
    usual = {
        kind: float(np.median([b for b, other in zip(batches, kinds, strict=True) if other == kind])) for kind in kinds
    }
    able = [kind for kind in usual if kind in models]
    if not able:
        raise InputError(f"curves of one of {', '.join(sorted(usual))}", file=str(path))
    known, notes = {}, []
    for kind, batch in usual.items():
        known[kind] = kind if kind in models else min(able, key=lambda other: abs(np.log(usual[other] / batch)))
        if kind not in models:
            notes.append(f"{kind} has no curves and runs as {known[kind]}")
    return known, notes, fitted


def _rate(curve: Curve, gpus: int, pool: Pool, batch: float) -> float:
    from optsched.prediction.curves.configurations import Points

    share = batch / gpus
    passes = int(np.ceil(share / (curve.max_local_batch or share)))
    points = Points.of(
        gpus, nodes=np.ceil(gpus / pool.gpus_per_server), local_batch=share / passes, accumulation=passes
    )
    return float(curve.throughput(points)[0])


def _convergence(
    path: Path | None,
) -> tuple[dict[str, tuple[float, ...]], dict[str, float], dict[str, float], dict[str, float]]:
    """Return noise scales by stage, work, base batch and largest batch of the models of a table of runs."""
    if path is None:
        return {}, {}, {}, {}
    from optsched.prediction.convergence.efficiency import repaired
    from optsched.prediction.convergence.io import read_runs

    read = read_runs(path, _losses(path))
    models = list(read)
    whole = dict(zip(models, repaired([read[m] for m in models], [read[m] for m in models]), strict=True))
    noise, work, base, most = {}, {}, {}, {}
    for model, runs in whole.items():
        end = max(run.now for run in runs)
        at = (np.arange(_STAGES) + 0.5) / _STAGES * end
        far = [run for run in runs if run.now >= 0.9 * end]
        logs = [np.interp(at, run.progress, np.log(np.maximum(run.noise_scale, 1e-9))) for run in far]
        noise[model] = tuple(np.exp(np.median(logs, axis=0)).round(3).tolist())
        base[model] = runs[0].base_batch
        work[model] = end * runs[0].base_batch
        most[model] = max(run.batch for run in runs)
    return noise, work, base, most


def _losses(path: Path) -> list[str]:
    """Return the models whose metric falls in most of their runs; which way is better does not matter here."""
    table = read_table(path, ("model", "global_batch", "epoch", "metric"))
    ends = (
        table.sort("epoch")
        .group_by("model", "global_batch")
        .agg(
            (
                pl.col("metric").last().cast(pl.Float64, strict=False)
                < pl.col("metric").first().cast(pl.Float64, strict=False)
            ).alias("falls")
        )
    )
    counts = ends.group_by("model").agg(pl.col("falls").mean())
    return sorted(
        str(m) for m, part in zip(counts["model"], counts["falls"], strict=True) if part is not None and part > 0.5
    )
