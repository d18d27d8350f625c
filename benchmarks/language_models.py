"""Language models: how close predictions of unseen plans come, and what deciding plans together with GPUs gains.

The table of measured plans (``--data``) holds published training times: vTrain (Bang et al., MICRO 2024), MosaicML's
llm-foundry and NVIDIA's performance tables of Megatron Bridge, with the columns that ``optsched fit`` reads (see
docs/language-models.md). Each task leaves out a group of rows, fits the rest, and predicts what was left out. The
baseline is the nearest measured row, scaled by the work of its plan. ``--decide`` needs no table: it solves a cluster
of jobs of 1 to 70 billion parameters with the plans chosen together with the GPUs, with plans of a fixed shape, and
with the most data parallelism that fits. ``--quick`` makes a table by the shipped coefficients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from common import parser_of, show
from rich.table import Table

import optsched
from optsched.instance import Instance
from optsched.instance.generators.language_models import (
    MODELS,
    Workload,
    configuration_of_plan,
    generate_language_models,
)
from optsched.prediction.language_models import Plans, predict
from optsched.prediction.language_models.enumerate import Ranked, rank
from optsched.prediction.language_models.plans import plans_of
from optsched.prediction.language_models.shipped import shipped
from optsched.prediction.language_models.terms import terms_of
from optsched.prediction.language_models.train import read_measured, train

Rows = np.ndarray[Any, np.dtype[np.bool_]]
PUBLISHED = {"64-512 GPUs, architecture never seen": "vTrain 14.7", "one node": "vTrain 8.4"}
"""Mean absolute percentage errors that vTrain reports (MICRO 2024, sec. 4), by profiling operators."""


@dataclass(frozen=True)
class Measured:
    """Plans, their records, and seconds of an iteration."""

    plans: Plans
    records: list[dict[str, Any]]
    seconds: np.ndarray[Any, np.dtype[np.float64]]


def tasks(plans: Plans, seed: int) -> Iterator[tuple[str, list[tuple[Rows, Rows]]]]:
    """Yield each task with its splits: the rows to fit, and the rows to predict."""
    random = np.random.default_rng(seed)
    far, sharded = plans.gpus >= 64, plans.zero >= 3
    vtrain = np.char.startswith(plans.source, "vtrain") & far
    fsdp = plans.source == "llm-foundry"
    mixture = plans.of("experts") > 0
    releases = plans.release != ""

    def groups(rows: Rows, names: Any, known: int = 0) -> list[tuple[Rows, Rows]]:
        found = []
        for name in sorted(set(names[rows].tolist())):
            test = rows & (names == name)
            if known:
                test[random.permutation(np.flatnonzero(test))[:known]] = False
            if test.any() and (~test).any():
                found.append((~test, test))
        return found

    new = releases & (plans.release >= "26.02")
    later = [r for r in ("26.02", "26.04", "26.06") if np.any(plans.release == r)]
    yield "64-512 GPUs, architecture never seen", groups(vtrain, plans.model)
    yield "FSDP, model sizes never seen", groups(fsdp, plans.model)
    yield "FSDP, 64 GPUs and more from fewer", [(~(fsdp & far), fsdp & far)] if np.any(fsdp & far & sharded) else []
    yield "GPU type never seen", groups(releases, plans.gpu)
    yield "GPU type, 3 rows of it", groups(releases & (plans.gpu != "h100"), plans.gpu, 3)
    yield "mixture of experts never seen", groups(mixture, plans.model)
    yield "mixture of experts, 3 rows of it", groups(mixture, plans.model, 3)
    yield (
        "new release of known models",
        [(~(releases & (plans.release >= r)), new & (plans.release >= r) & (plans.release < r + ".1")) for r in later],
    )


def nearest(known: Plans, seconds: Any, asked: Plans) -> Any:
    """Return the time of the nearest row (in doublings of its degrees) scaled by work over peak rates."""

    def position(p: Plans) -> Any:
        return np.log2(np.column_stack([p.tensor, p.pipeline, p.data, p.micro_batch, p.seq, p.gpus]))

    def work(p: Plans) -> Any:
        t = terms_of(p)
        return t.passes * t.layers_per_stage * (t.dense + t.experts) / p.speedup

    x, y = position(asked), position(known)
    apart = np.abs(x[:, None] - y[None]).sum(2) + 4.0 * (asked.generation[:, None] != known.generation[None])
    row = np.argmin(apart, axis=1)
    return seconds[row] * work(asked) / work(known)[row]


def predictions(data: Measured, seed: int) -> Table:
    """Return the table of errors by task, in percent."""
    table = Table(title="mean absolute percentage error of the iteration time (medians in parentheses)")
    for column in ("task", "rows", "published", "nearest row by FLOPs", "optsched", "inside 80 %", "width"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for name, splits in tasks(data.plans, seed):
        errors, near, inside, width = [], [], [], []
        for fit, test in splits:
            if not (fit.any() and test.any()):
                continue
            records = [r for r, keep in zip(data.records, fit.tolist(), strict=True) if keep]
            models = train(data.plans.take(fit), records, data.seconds[fit])
            asked, truth = data.plans.take(test), data.seconds[test]
            middle, low, high = predict(models, asked)
            errors.append(100 * np.abs(middle / truth - 1))
            near.append(100 * np.abs(nearest(data.plans.take(fit), data.seconds[fit], asked) / truth - 1))
            inside.append((low <= truth) & (truth <= high))
            width.append(high / low)
        if not errors:
            continue
        ours, theirs = np.concatenate(errors), np.concatenate(near)
        table.add_row(
            name,
            str(len(ours)),
            PUBLISHED.get(name, ""),
            f"{theirs.mean():.1f} ({np.median(theirs):.1f})",
            f"{ours.mean():.1f} ({np.median(ours):.1f})",
            f"{100 * np.concatenate(inside).mean():.0f} %",
            f"{np.median(np.concatenate(width)):.2f}",
        )
    return table


def made(seed: int) -> Measured:
    """Return a small table of plans with times by the shipped coefficients and 3 % noise."""
    random = np.random.default_rng(seed)
    records = [
        {
            "source": f"{publisher}-26.0{release}",
            "model": model,
            "gpu_type": gpu,
            "gpus": 64.0,
            "seq": 4096.0,
            "global_batch": 512.0,
            "micro_batch": micro,
            "tensor": tensor,
            "zero": 1.0,
        }
        for publisher, release, gpu in (("megatron-bridge", 2, "h100"), ("megatron-bridge", 4, "b200"))
        for model in ("llama3-8b", "gpt3-13b", "mixtral-8x7b")
        for tensor in (1.0, 2.0, 4.0)
        for micro in (1.0, 2.0)
    ]
    plans = plans_of(records)
    seconds, *_ = predict(shipped(), plans)
    return Measured(plans, records, seconds * np.exp(0.03 * random.standard_normal(len(plans))))


Choice = Callable[[Ranked], int | None]


def fastest(ranked: Ranked) -> int | None:
    return 0


def most_data(ranked: Ranked) -> int | None:
    """Return the plan with the most data parallelism, the fastest of these."""
    return int(np.argmax(ranked.plans.data))


def fixed_shape(ranked: Ranked) -> int | None:
    """Return the fastest plan of the shape that users copy: tensor parallelism of 8, or all GPUs if they are fewer."""
    wanted = np.flatnonzero((ranked.plans.tensor == np.minimum(8, ranked.plans.gpus)) & (ranked.plans.pipeline == 1))
    return int(wanted[0]) if len(wanted) else None


def with_choice(instance: Instance, choice: Choice, works: dict[str, Workload]) -> Instance:
    """Return the instance with one plan for each number of GPUs, chosen by a rule."""
    listed = {}
    for work in set(works.values()):
        found = []
        for gpus in (1, 2, 4, 8, 16, 32, 64, 128):
            base = {"model": work.model, "gpu_type": "h100", "gpus": float(gpus), "gpus_per_node": float(min(gpus, 8))}
            batch = {"seq": float(work.seq), "global_batch": float(work.global_batch), "precision": "bf16"}
            ranked = rank(shipped(), base | batch)
            k = choice(ranked) if len(ranked.plans) else None
            if k is not None:
                found.append(configuration_of_plan(ranked, k, work, "h100", -(-gpus // 8)))
        listed[work] = tuple(found)
    jobs = [
        msgspec.structs.replace(
            job, configurations=listed[works[job.id]], reference=optsched.instance.Reference(goodput=1.0)
        )
        for job in instance.jobs
        if listed[works[job.id]]
    ]
    return msgspec.structs.replace(instance, jobs=tuple(jobs))


def deciding(gpus: int, jobs: int, seed: int, time_limit: float) -> Table:
    """Return what deciding plans together with GPUs gains over fixed rules, in examples/s of all jobs by weight."""
    works: dict[str, Workload] = {}
    instance = generate_language_models({"h100": gpus}, jobs, seed, works=works)
    table = Table(title=f"{jobs} jobs of 1 to 70 billion parameters on {gpus} H100: Nash welfare of throughputs")
    for column in ("plans", "status", "gap", "jobs that run", "geometric mean, examples/s", "relative", "s"):
        table.add_column(column, justify="left" if column == "plans" else "right")
    first = None
    rules: list[tuple[str, Choice]] = [
        ("decided with the GPUs", fastest),
        ("most data parallelism that fits", most_data),
        ("fixed: tensor 8, no pipeline", fixed_shape),
    ]
    for name, choice in rules:
        began = time.perf_counter()
        result = optsched.solve(with_choice(instance, choice, works), time_limit=time_limit, gap=1e-3)
        rates = [a.throughput for a in result.allocations]
        mean = float(np.exp(np.mean(np.log(rates)))) if rates else 0.0
        first = first or mean
        gap = "" if result.gap is None else f"{100 * result.gap:.2g} %"
        took = f"{time.perf_counter() - began:.1f}"
        table.add_row(name, result.status, gap, str(len(rates)), f"{mean:.4g}", f"{mean / first:.3f}", took)
    return table


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--data", type=Path, help="table of measured plans")
    parser.add_argument("--decide", action="store_true", help="only the gain of deciding plans together with GPUs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tables = []
    if not options.decide:
        if options.data is not None:
            tables.append(predictions(Measured(*read_measured(options.data)), options.seed))
        elif options.quick:
            tables.append(predictions(made(options.seed), options.seed))
        else:
            parser.error("--data, --decide or --quick")
    if options.decide or options.quick:
        gpus, jobs = (32, 3) if options.quick else (512, 30)
        tables.append(deciding(gpus, jobs, options.seed + 1, 60.0))
    show(f"{len(MODELS)} models to draw from", *tables)


if __name__ == "__main__":
    main()
