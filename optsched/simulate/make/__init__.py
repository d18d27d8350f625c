"""Making workloads: from tables of arrivals and traces, published benchmarks, and dials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optsched.errors import InputError, shown
from optsched.simulate.make.arrivals import arrivals
from optsched.simulate.make.kueue import kueue_benchmark
from optsched.simulate.make.synthetic import synthetic
from optsched.simulate.make.trace import rigid_trace
from optsched.simulate.workload import Pool, Workload, load

__all__ = ["arrivals", "kueue_benchmark", "made", "pools", "read_workload", "rigid_trace", "synthetic"]


def read_workload(
    path: Path,
    *,
    gpus: str | None = None,
    curves: Path | None = None,
    convergence: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Workload:
    """Read a workload file, a table of arrivals (name, time, application) or of a trace (duration_s, gpus)."""
    if path.suffix.lower() != ".csv":
        for given, option in ((gpus, "--gpus"), (curves, "--curves"), (convergence, "--convergence")):
            if given is not None:
                raise InputError("a CSV, since a workload file has its own", path=option, value=shown(str(given)))
        return load(path)
    from optsched.prediction.curves.measurements import read_table

    columns = read_table(path, ()).columns
    cluster = None if gpus is None else pools(gpus)
    if "application" in columns:
        nearby = {name: path.with_name(name) for name in ("throughput.csv", "curves.csv")}
        if curves is None and nearby["throughput.csv"].is_file():
            curves = nearby["throughput.csv"]
            convergence = convergence or (nearby["curves.csv"] if nearby["curves.csv"].is_file() else None)
        if curves is None:
            raise InputError("--curves with a table of arrivals", path="--curves", file=str(path))
        return arrivals(path, curves, cluster=cluster, convergence=convergence, report=report)
    return rigid_trace(path, cluster=cluster)


def pools(text: str) -> tuple[Pool, ...]:
    """Return the pools of ``t4=24/4,a100=16/8``: GPUs of each type, and how many a server has (default 1)."""
    found = []
    for part in text.split(","):
        name, _, numbers = part.strip().partition("=")
        total, slash, size = numbers.partition("/")
        try:
            gpus, per_server = int(total), int(size) if slash else 1
        except ValueError:
            raise InputError("TYPE=GPUs or TYPE=GPUs/GPUs of a server", path="--gpus", value=shown(part)) from None
        if not name or gpus < 1 or per_server < 1 or gpus % per_server:
            raise InputError("TYPE=GPUs/GPUs of a server, in whole servers", path="--gpus", value=shown(part))
        found.append(Pool(gpu_type=name, servers=gpus // per_server, gpus_per_server=per_server))
    if len({pool.gpu_type for pool in found}) < len(found):
        raise InputError("each GPU type once", path="--gpus", value=shown(text))
    return tuple(found)


def made(text: str, gpus: str | None = None) -> Workload:
    """Return the workload of ``KIND[:name=number,...]``, e.g. ``synthetic:jobs=160,load=1.5`` or ``kueue``."""
    kind, _, rest = text.partition(":")
    numbers: dict[str, float] = {}
    for part in rest.split(",") if rest else ():
        name, _, number = part.strip().partition("=")
        try:
            numbers[name.replace("-", "_")] = float(number)
        except ValueError:
            raise InputError("name=number", path="--make", value=shown(part)) from None
    if kind == "kueue":
        if numbers or gpus:
            raise InputError("kueue, which has no dials", path="--make", value=shown(text))
        return kueue_benchmark()
    if kind != "synthetic":
        raise InputError("synthetic or kueue", path="--make", value=shown(kind))
    try:
        return synthetic(cluster=None if gpus is None else pools(gpus), **numbers)
    except TypeError:
        dials = "jobs, hours, load, size, elasticity, applications, restart_s, deadlines, seed"
        raise InputError(f"dials of {dials}", path="--make", value=shown(rest)) from None
