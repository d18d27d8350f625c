"""Throughput with parameter servers: fitted on small configurations, judged on larger ones.

Our blend of forms beside each form alone (exact MVA among them) and Optimus's speed functions, on the
same rows. A group's prior never sees more of the group than its small rows.

    python benchmarks/prediction_servers.py --data DIR [--quick]

DIR holds ``ps.csv`` (model, global_batch, n_ps, n_workers, throughput_examples_s) and ``async_ps.csv``
(model, gpu_type, n_ps, n_workers, throughput_steps_s); steps/s of ``accuracy_workers.csv`` (gpu_type,
n_ps, n_workers, run, step, elapsed_s) are added if it is there. ``--quick`` leaves out the tables
without other groups and with all of their rows, and the interpolation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl
from common import parser_of
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.measurements import read_table
from optsched.prediction.curves.parameter_servers import ParameterServer, ServerRows, fit_servers

Groups = dict[str, ServerRows]
Masks = Mapping[str, NDArray[np.bool_]]
Mode = Literal["sync", "async"]


def server_points(workers: ArrayLike, servers: ArrayLike, local_batch: ArrayLike = 1.0) -> Points:
    """Return configurations with one worker a node."""
    return Points.of(workers, nodes=workers, servers=servers, local_batch=local_batch)


def column(table: pl.DataFrame, name: str) -> FloatArray:
    return table[name].cast(pl.Float64).to_numpy()


def sync_groups(data: Path) -> Groups:
    """Return synchronous measurements by model; the global batch is split over the workers."""
    groups = {}
    table = read_table(data / "ps.csv", ["model", "global_batch", "n_ps", "n_workers", "throughput_examples_s"])
    for (model,), rows in table.sort("model", maintain_order=True).group_by("model", maintain_order=True):
        workers = column(rows, "n_workers")
        points = server_points(workers, column(rows, "n_ps"), column(rows, "global_batch") / workers)
        groups[str(model)] = ServerRows(points, column(rows, "throughput_examples_s"))
    return groups


def async_groups(data: Path) -> Groups:
    """Return asynchronous measurements; the batch is unknown, so that steps/s stand for examples/s."""
    groups = {}
    table = read_table(data / "async_ps.csv", ["model", "gpu_type", "n_ps", "n_workers", "throughput_steps_s"])
    for (model, gpu), rows in table.group_by("model", "gpu_type", maintain_order=True):
        points = server_points(column(rows, "n_workers"), column(rows, "n_ps"))
        groups[f"{model}/{gpu}"] = ServerRows(points, column(rows, "throughput_steps_s"))
    return groups


def training_groups(data: Path) -> Groups:
    """Return steps/s of training runs with 2-7 workers: a second source of the same kind."""
    if not (data / "accuracy_workers.csv").exists():
        return {}
    keys = ["gpu_type", "n_ps", "n_workers"]
    table = read_table(data / "accuracy_workers.csv", [*keys, "run", "step", "elapsed_s"])
    ends = table.group_by([*keys, "run"]).agg(pl.col("step").max() / pl.col("elapsed_s").max())
    rates = ends.group_by(keys).agg(pl.col("step").median().alias("rate")).sort(keys)
    return {
        f"cifar-runs/{gpu}": ServerRows(
            server_points(column(rows, "n_workers"), column(rows, "n_ps")), column(rows, "rate")
        )
        for (gpu,), rows in rates.group_by("gpu_type", maintain_order=True)
    }


def optimus(train: ServerRows, at: Points, mode: Mode, *, relative: bool) -> FloatArray:
    """Predict by Optimus's speed functions (Peng et al., EuroSys'18, eq. 3 and 4), fitted by NNLS.

    Steps/s of ``w`` workers, ``p`` servers and global batch ``M``, with ``t >= 0``::

        asynchronous  w / (t0 + t1 w / p + t2 w + t3 p)
        synchronous   1 / (t0 M / w + t1 + t2 w / p + t3 w + t4 p)

    ``relative`` weighs each row by the reciprocal of its time.
    """

    def features(points: Points) -> FloatArray:
        w, p, one = points.gpus, points.servers, np.ones(len(points))
        if mode == "sync":
            return np.stack([points.local_batch, one, w / p, w, p], axis=1)
        return np.stack([one, w / p, w, p], axis=1) / w[:, None]

    def work(points: Points) -> FloatArray:
        return points.local_batch * (points.gpus if mode == "sync" else 1.0)

    seconds = work(train.points) / train.throughput
    weight = 1.0 / seconds if relative else np.ones_like(seconds)
    coefficients, _ = nnls(features(train.points) * weight[:, None], seconds * weight)
    return work(at) / np.maximum(features(at) @ coefficients, 1e-12)


def part(rows: ServerRows, keep: NDArray[np.bool_]) -> ServerRows:
    return ServerRows(rows.points.take(keep), rows.throughput[keep])


def mape(predicted: FloatArray, truth: FloatArray) -> float:
    return 100 * float(np.mean(np.abs(predicted / truth - 1)))


def inside(curve: ParameterServer, rows: ServerRows) -> float:
    low, high = curve.interval(rows.points)
    return 100 * float(np.mean((low <= rows.throughput) & (rows.throughput <= high)))


def fits(groups: Groups, small: Masks, mode: Mode, others: str) -> dict[str, ParameterServer]:
    """Fit each group's small rows; ``others`` says what is known of the other groups: none, small or all."""
    cut = {k: part(rows, small[k]) for k, rows in groups.items()}
    if others == "small":
        fitted = fit_servers(cut, mode)
        return {k: fitted[k].curve for k in groups}
    beside = groups if others == "all" else {}
    return {k: fit_servers({**beside, k: cut[k]}, mode, only=[k])[k].curve for k in groups}


def extrapolate(groups: Groups, small: Masks, mode: Mode, others: str) -> None:
    """Print MAPE by method: median and mean over groups, rows inside the 80 % band, and each group."""
    errors: dict[str, list[float]] = {}
    covered: dict[str, list[float]] = {}
    for key, curve in fits(groups, small, mode, others).items():
        train, rest = part(groups[key], small[key]), part(groups[key], ~small[key])
        for label, relative in (("Optimus, NNLS", False), ("Optimus, NNLS on relative errors", True)):
            predicted = optimus(train, rest.points, mode, relative=relative)
            errors.setdefault(label, []).append(mape(predicted, rest.throughput))
        singles = {type(m).name(): msgspec.structs.replace(curve, members=(m,)) for m in curve.members}
        for label, one in {**singles, "ours (mean of forms)": curve}.items():
            errors.setdefault(label, []).append(mape(one.throughput(rest.points), rest.throughput))
            covered.setdefault(label, []).append(inside(one, rest))
    for label, values in errors.items():
        band = f"{np.mean(covered[label]):.0f} %" if label in covered else ""
        each = " ".join(f"{v:.1f}" for v in values)
        print(f"| {others} | {label} | {np.median(values):.1f} | {np.mean(values):.1f} | {band} | {each} |")


def interpolate(groups: Groups, mode: Mode) -> None:
    """Print MAPE of rows left out, a quarter in turn, with and without the local correction."""
    table: dict[str, list[list[float]]] = {"ours": [], "ours without the local correction": []}
    for key, rows in groups.items():
        fold = np.arange(len(rows.throughput)) * 7 % 4
        found: dict[str, list[list[float]]] = {label: [] for label in table}
        for k in range(4):
            curve = fit_servers({**groups, key: part(rows, fold != k)}, mode, only=[key])[key].curve
            bare = [
                msgspec.structs.replace(m, posterior=msgspec.structs.replace(m.posterior, anchors=()))
                for m in curve.members
                if m.posterior is not None
            ]
            held = part(rows, fold == k)
            for label, one in zip(table, (curve, msgspec.structs.replace(curve, members=tuple(bare))), strict=True):
                error = mape(one.throughput(held.points), held.throughput)
                found[label].append([error, inside(one, held)])
        for label, pairs in found.items():
            table[label].append(np.mean(pairs, axis=0).tolist())
    print(f"\n## {mode}: a quarter of the rows left out in turn, all of the others known")
    print("| method | median | mean | inside 80 % |\n|---|---|---|---|")
    for label, pairs in table.items():
        errors, bands = np.array(pairs).T
        print(f"| {label} | {np.median(errors):.1f} | {np.mean(errors):.1f} | {np.mean(bands):.0f} % |")


def clock(groups: Groups, mode: Mode) -> None:
    """Print the times of fitting all groups and of predicting."""
    start = time.perf_counter()
    fitted = fit_servers(groups, mode)
    spent = time.perf_counter() - start
    curve = max(fitted.values(), key=lambda f: f.rows).curve
    n = np.arange(1_000_000)
    points = server_points(1.0 + n % 64, 1.0 + n // 64 % 32, 8.0 + n // 2048)
    times = []
    for ask, count in ((curve.throughput, len(n)), (curve.interval, 10_000)):
        start = time.perf_counter()
        ask(points.take(n[:count]))
        times.append(time.perf_counter() - start)
    print(
        f"\n{mode}: {len(groups)} groups fitted in {spent:.1f} s; 1,000,000 throughputs in {times[0]:.1f} s, "
        f"10,000 bands in {1e3 * times[1]:.0f} ms; {len(msgspec.json.encode(curve)) / 1000:.0f} kB of JSON"
    )


def main() -> None:
    parser = parser_of(__doc__, quick="fewer tables, in less than 20 s")
    parser.add_argument("--data", type=Path, required=True, help="folder with the measured CSV files")
    asked = parser.parse_args()
    sync = sync_groups(asked.data)
    measured = async_groups(asked.data)
    both = {**measured, **training_groups(asked.data)}
    cases: list[tuple[str, Mode, Groups, Masks]] = [
        (
            "sync: at most 8 servers and 5 workers -> the rest",
            "sync",
            sync,
            {k: (r.points.servers <= 8) & (r.points.gpus <= 5) for k, r in sync.items()},
        )
    ]
    for limit, groups in ((4, both), (2, both), (4, measured)):
        title = f"async, {len(groups)} groups: at most {limit} workers -> more"
        cases.append((title, "async", groups, {k: r.points.gpus <= limit for k, r in groups.items()}))
    for title, mode, groups, small in cases[:2] if asked.quick else cases:
        print(f"\n## {title}; MAPE %, by group: {', '.join(groups)}")
        print("| others | method | median | mean | inside 80 % | by group |\n|---|---|---|---|---|---|")
        for others in ("small",) if asked.quick else ("none", "small", "all"):
            extrapolate(groups, small, mode, others)
    if not asked.quick:
        interpolate(sync, "sync")
        interpolate(measured, "async")
        clock(sync, "sync")
    clock(measured, "async")


if __name__ == "__main__":
    main()
