"""How close predictions of all-reduce throughput come, beside Pollux, Optimus and the nearest measurement.

Every task goes through the library's public functions, as a user would: read, ``fit``, ``predict``. A draw
hides rows, fits the rest, and asks for the hidden ones. Numbers are mean absolute percentage errors of the
throughput: the mean over the hidden rows and draws, then the median over the (model, GPU type) pairs, which is
not moved by the worst pairs; the last column is their geometric mean, which moves with every pair.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import baselines
import numpy as np
from common import parser_of
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.allreduce.compress import compress
from optsched.prediction.curves.allreduce.correction import Kernel
from optsched.prediction.curves.allreduce.formula import step
from optsched.prediction.curves.allreduce.measured import merge
from optsched.prediction.curves.allreduce.population import from_record, generic_prior, prior_for
from optsched.prediction.curves.allreduce.posterior import fit as posterior
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.experiment_design import measure_next
from optsched.prediction.curves.fit import fit
from optsched.prediction.curves.fitted import CurveFile
from optsched.prediction.curves.measurements import Configured, Measurements, read_measurements
from optsched.prediction.curves.predict import predict

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """Rows that are known (of all pairs), the pair's own among them, and those that are asked for."""

    pair: str
    own: Rows
    asked: Rows
    curves: Callable[[], CurveFile]


def cases(data: Measurements, task: str, draws: int) -> Iterator[Case]:
    """Yield the cases of a task; fits that several cases share are made once."""
    groups = {f"{m}/{g}": rows for (m, g, _), rows in data.configured.groups().items()}
    everything = np.arange(len(data.throughput))
    if not task.startswith("new"):
        for draw in range(min(draws, 3) if "80/20" in task else 1):
            hidden = _hidden(data, task, draw)
            curves = fit(data.take(everything[~hidden]), family="allreduce", cross_validate=False)
            asked = hidden & (data.configured.points.nodes >= 3) if "3 nodes" in task else hidden
            for pair, rows in groups.items():
                if asked[rows].any():
                    yield Case(pair, rows[~hidden[rows]], rows[asked[rows]], lambda c=curves: c)
    elif "every model" in task:
        yield from _together(data, task, draws)
    else:
        kind, _, count = task.partition(", ")
        for pair, rows in groups.items():
            model, gpu_type = pair.split("/")
            others = [p for p in groups if _known(kind, p, model, gpu_type)]
            known = fit(
                data.take(np.concatenate([groups[p] for p in others])), family="allreduce", cross_validate=False
            )
            for draw in range(draws):
                order = np.random.default_rng(draw).permutation(rows)
                number = int(count.split()[0])
                own = _chosen(known, data, pair, order[:60], number) if "chosen" in count else order[:number]
                yield Case(
                    pair,
                    own,
                    order[~np.isin(order, own)],
                    lambda o=own, k=known: fit(data.take(o), earlier=k, family="allreduce", cross_validate=False),
                )


def _together(data: Measurements, task: str, draws: int) -> Iterator[Case]:
    """Yield the cases of a new GPU type of which a few rows of every model are known, in one table with the rest."""
    groups = {f"{m}/{g}": rows for (m, g, _), rows in data.configured.groups().items()}
    number = int(task.partition(", ")[2].split()[0])
    for gpu_type in sorted(set(data.configured.gpu_type)):
        pairs = [p for p in groups if p.endswith(f"/{gpu_type}")]
        others = [rows for p, rows in groups.items() if p not in pairs]
        for draw in range(draws):
            orders = {p: np.random.default_rng(draw).permutation(groups[p]) for p in pairs}
            few = [order[:number] for order in orders.values()]
            curves = fit(data.take(np.concatenate(others + few)), family="allreduce", cross_validate=False)
            for pair, order in orders.items():
                yield Case(pair, order[:number], order[number:], lambda c=curves: c)


def _hidden(data: Measurements, task: str, draw: int) -> NDArray[np.bool_]:
    """Return the rows that a task hides: a random fifth, those with more GPUs than it names, or a fifth of those."""
    fifth = np.random.default_rng(draw).random(len(data.throughput)) < 0.2
    if not task.startswith("more than"):
        return fifth
    many = data.configured.points.gpus > int(task.split()[2])
    return many & fifth if "80/20" in task else many


def _chosen(known: CurveFile, data: Measurements, pair: str, candidates: Rows, count: int) -> Rows:
    """Return the rows among the candidates that would narrow the predictions of a pair without a curve the most."""
    assert known.population is not None
    nothing = merge(Points.of(np.empty(0), nodes=np.empty(0), local_batch=np.empty(0)), np.empty(0))
    believed = compress(posterior(nothing, prior_for(from_record(known.population), *pair.split("/"))))
    chosen, _ = measure_next(believed, data.configured.points.take(candidates), count)
    return candidates[np.array(chosen)]


def _known(kind: str, pair: str, model: str, gpu_type: str) -> bool:
    """Tell whether a task knows the rows of another pair."""
    m, g = pair.split("/")
    return {"new model": m != model, "new pair": (m, g) != (model, gpu_type), "new GPU type": g != gpu_type}[kind]


def log_steps(data: Measurements, rows: Rows) -> tuple[Points, FloatArray]:
    """Return configurations, and the log of their step times."""
    points = data.configured.points.take(rows)
    return points, np.log(points.examples() / data.throughput[rows])


def baseline(name: str, data: Measurements, case: Case) -> FloatArray:
    """Return the throughput that a rival predicts for the rows asked for."""
    seen, log_time = log_steps(data, case.own)
    asked = data.configured.points.take(case.asked)
    if name == "nearest":
        return asked.examples() / np.exp(baselines.nearest_log_time(seen, log_time, asked))
    fitted = getattr(baselines, f"{name}_fit")(seen, log_time)
    return asked.examples() / np.exp(getattr(baselines, f"{name}_log_time")(fitted, asked))


TASKS = (
    "unseen rows, 80/20",
    "more than 8 GPUs",
    "more than 8 GPUs on 3 nodes or more",
    "more than 16 GPUs",
    "more than 16 GPUs, 80/20 of them",
    "new model, 6 rows",
    "new model, 3 rows",
    "new pair, 3 rows",
    "new GPU type, 3 rows",
    "new GPU type, 3 rows of every model",
    "new model, 3 chosen rows",
    "new pair, 3 chosen rows",
    "new GPU type, 3 chosen rows",
)


NAMES = ("pollux", "optimus", "nearest", "optsched", "inside")


def accuracy(data: Measurements, draws: int, tasks: tuple[str, ...], placement: bool) -> tuple[Table, Table]:
    """Return the table of errors and of the coverage of the 80 % intervals, and the same for every pair."""
    columns = ("Pollux %", "Optimus %", "nearest %", "optsched %", "inside 80 % interval")
    table = Table("task", *columns, "geometric mean over pairs")
    by_pair = Table("task", "pair", *columns)
    for task in tasks:
        errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for case in cases(data, task, draws):
            truth = data.throughput[case.asked]
            asked = data.take(case.asked).configured
            if not placement:
                points = asked.points
                blind = Points.of(points.gpus, nodes=points.nodes, local_batch=points.local_batch)
                asked = Configured(asked.model, asked.gpu_type, asked.variant, blind, asked.rdma)
            middle, low, high = predict(case.curves(), asked)
            errors["optsched"][case.pair].append(100 * float(np.mean(np.abs(middle / truth - 1))))
            errors["inside"][case.pair].append(100 * float(np.mean((truth >= low) & (truth <= high))))
            for name in ("pollux", "optimus", "nearest"):
                off = baseline(name, data, case) / truth - 1
                errors[name][case.pair].append(100 * float(np.mean(np.abs(off))))
        if not errors:
            continue  # no rows of the kind that the task asks for
        means = {name: {pair: statistics.mean(v) for pair, v in errors[name].items()} for name in NAMES}
        cells = (f"{statistics.median(means[name].values()):.1f}" for name in NAMES)
        table.add_row(task, *cells, f"{statistics.geometric_mean(means['optsched'].values()):.1f}")
        for pair in means["optsched"]:
            by_pair.add_row(task, pair, *(f"{means[name][pair]:.1f}" for name in NAMES))
    return table, by_pair


def floors(data: Measurements) -> Table:
    """Return the table of what the formulas leave, fitted to all rows: no few rows can make them err less."""
    rigid = Kernel(compute_sd=1e-3, sync_sd=1e-3, joint_sd=1e-3)
    left: dict[str, list[float]] = defaultdict(list)
    for rows in data.configured.groups().values():
        points, log_time = log_steps(data, rows)
        own = posterior(merge(points, np.exp(log_time), data.sync_s[rows]), generic_prior(rigid))
        fitted = {"optsched": step(own.theta, points, jacobian=False).log_time}
        for name in ("pollux", "optimus"):
            learned = getattr(baselines, f"{name}_fit")(points, log_time)
            fitted[name] = getattr(baselines, f"{name}_log_time")(learned, points)
        for name, predicted in fitted.items():
            left[name].append(100 * float(np.mean(np.abs(np.expm1(log_time - predicted)))))
    table = Table("what", "Pollux %", "Optimus %", "optsched %")
    cells = (f"{statistics.median(left[name]):.1f}" for name in ("pollux", "optimus", "optsched"))
    table.add_row("formula alone, fitted to all rows that it is asked for", *cells)
    return table


def seconds(call: Callable[[], object], runs: int = 15) -> float:
    """Return the median seconds of a call."""
    spent = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def speed(data: Measurements) -> Table:
    """Return the table of times: fits of one pair with known relatives, and a million predictions."""
    rows = next(rows for (m, g, _), rows in data.configured.groups().items() if (m, g) == ("bert", "t4"))
    known = fit(
        data.take(np.setdiff1d(np.arange(len(data.throughput)), rows)), family="allreduce", cross_validate=False
    )
    table = Table("what", "optsched s", "Pollux s", "Pollux / optsched")
    for count in (450, 6):
        own = np.random.default_rng(0).permutation(rows)[:count]
        few = data.take(own)
        points, log_time = log_steps(data, own)
        alone = CurveFile(curves=(), population=known.population)
        ours = seconds(lambda f=few, a=alone: fit(f, earlier=a, family="allreduce", cross_validate=False))
        pollux = seconds(lambda p=points, t=log_time: baselines.pollux_fit(p, t))
        table.add_row(f"fit of {count} rows", f"{ours:.4f}", f"{pollux:.4f}", f"{pollux / ours:.1f}")
    random = np.random.default_rng(0)
    many = Points.of(random.integers(1, 65, 1_000_000), nodes=4, local_batch=random.uniform(4, 12, 1_000_000))
    curve = next(f.curve for f in fit(data.take(rows), earlier=known, family="allreduce").curves if f.rows == len(rows))
    table.add_row("1,000,000 predictions", f"{seconds(lambda: curve.throughput(many), 3):.2f}", "", "")
    table.add_row("1,000,000 with intervals", f"{seconds(lambda: curve.interval(many), 3):.2f}", "", "")
    return table


def main() -> None:
    """Run the comparison and print it."""
    parser = parser_of(__doc__, quick="one draw of two tasks")
    parser.add_argument("--data", type=Path, required=True, help="folder with throughput.csv")
    parser.add_argument(
        "--draws", type=int, default=10, help="draws of each task (3 at most for 80/20, 1 above a number of GPUs)"
    )
    parser.add_argument("--no-placement", action="store_true", help="hide the placement of the rows asked for")
    parser.add_argument("--no-sync", action="store_true", help="hide the time spent synchronizing from the fit")
    parser.add_argument("--pairs", action="store_true", help="print the errors of every pair, too")
    arguments = parser.parse_args()
    data = read_measurements(arguments.data / "throughput.csv")
    if arguments.no_sync:
        data = replace(data, sync_s=np.full_like(data.sync_s, np.nan))
    console = Console(width=120)
    tasks, draws = ((TASKS[0], TASKS[3]), 1) if arguments.quick else (TASKS, arguments.draws)
    table, by_pair = accuracy(data, draws, tasks, not arguments.no_placement)
    if arguments.pairs:
        console.print(by_pair)
    console.print(table)
    console.print(floors(data))
    console.print(speed(data))


if __name__ == "__main__":
    main()
