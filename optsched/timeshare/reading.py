"""A market from an instance, and its pairs from a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.instance import Instance, Job
from optsched.prediction.curves.measurements import read_table
from optsched.problem.configurations import tabulate
from optsched.timeshare.market import Market, Pairs, market

__all__ = ["Read", "market_of", "with_pairs"]


@dataclass(frozen=True)
class Read:
    """A market, and what its rows and columns stand for.

    jobs
        The job of each row.
    pools
        Names of the GPU types, e.g. ``v100@main``; ``gpu_types`` and ``price``: type and hourly price of one GPU.
    left_out
        Jobs that are not in it, and why.
    """

    market: Market
    jobs: tuple[Job, ...]
    pools: tuple[str, ...]
    gpu_types: tuple[str, ...]
    price: FloatArray
    left_out: dict[str, str]


def market_of(instance: Instance, gpus: int | None = None) -> Read:
    """Return the market of an instance: each job with one fixed number of GPUs, at its best goodput on each pool.

    Throughputs are goodputs, in reference-batch examples/s.

    Parameters
    ----------
    gpus
        GPUs of every job: as many, or the next number that it can have, or its largest; None: its fewest.

    Raises
    ------
    InputError
        Where no job can run.
    """
    table = tabulate(instance)
    rates = np.zeros((len(instance.jobs), len(table.pools)))
    gang = np.ones(len(instance.jobs))
    for j in range(len(instance.jobs)):
        rows = np.arange(table.first[j], table.first[j + 1])
        if not len(rows):
            continue
        counts = np.unique(table.ways.gpus[rows])
        gang[j] = counts[0] if gpus is None else counts[min(int(np.searchsorted(counts, gpus)), len(counts) - 1)]
        rows = rows[table.ways.gpus[rows] == gang[j]]
        np.maximum.at(rates[j], table.ways.pool[rows], table.ways.goodput[rows])
    capacity = np.array([pool.capacity for pool in table.pools], dtype=np.float64)
    kept = np.flatnonzero(rates.max(axis=1) > 0)
    if not len(kept):
        raise InputError("a job that can run", path="$.jobs")
    jobs = tuple(instance.jobs[j] for j in kept)
    if idle := [job.id for job in jobs if job.weight <= 0]:
        raise InputError("weights > 0", path="$.jobs", value=shown(idle[0]))
    others = {
        job.id: table.reasons.get(j, "it cannot run now") for j, job in enumerate(instance.jobs) if j not in set(kept)
    }
    return Read(
        market(rates[kept], capacity, gang=gang[kept], weight=[job.weight for job in jobs]),
        jobs,
        tuple(map(str, table.pools)),
        tuple(pool.gpu_type for pool in table.pools),
        np.array([pool.hourly_price for pool in table.pools]),
        others,
    )


def with_pairs(read: Read, path: Path | str) -> Read:
    """Return the market with the pairs of a CSV table.

    Columns: ``job, other, gpu_type``, and ``throughput, other_throughput`` of both while they share GPUs, in the
    market's units. A GPU type stands for all its pools.
    """
    file = str(path)
    table = read_table(path, ["job", "other", "gpu_type", "throughput", "other_throughput"])
    number = {job.id: j for j, job in enumerate(read.jobs)}
    job, where, rates = [], [], []
    for line, row in enumerate(table.iter_rows(named=True), start=2):
        for name in ("job", "other"):
            if str(row[name]) not in number:
                raise InputError(
                    "a job of the market", path=f"line {line}, column {name}", value=shown(row[name]), file=file
                )
        if row["gpu_type"] not in read.gpu_types:
            expected = f"a GPU type ({', '.join(dict.fromkeys(read.gpu_types))})"
            raise InputError(expected, path=f"line {line}, column gpu_type", value=shown(row["gpu_type"]), file=file)
        for k, gpu_type in enumerate(read.gpu_types):
            if gpu_type == row["gpu_type"]:
                job.append((number[str(row["job"])], number[str(row["other"])]))
                where.append(k)
                rates.append((row["throughput"], row["other_throughput"]))
    of = read.market
    try:
        pairs = Pairs(np.array(job), np.array(where), np.array(rates, dtype=np.float64))
        paired = market(of.throughput, of.capacity, gang=of.gang, weight=of.weight, pairs=pairs)
    except InputError as error:
        raise error.within(file=file) from None
    except (TypeError, ValueError):
        raise InputError("numbers in the columns throughput and other_throughput", file=file) from None
    return replace(read, market=paired)
