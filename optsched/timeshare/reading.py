"""A market from an instance, and its pairs from a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.instance import Instance, Job, admit
from optsched.instance.unsupported import rules_in
from optsched.prediction.tables import read_text_table
from optsched.problem.configurations import Configurations, some_rows, tabulate
from optsched.timeshare.market import Market, Pairs, market
from optsched.timeshare.shares import Shares

__all__ = ["Needs", "Read", "ignored", "market_of", "with_pairs"]

_NAMED = 5
"""Most jobs that a note names."""


@dataclass(frozen=True)
class Needs:
    """A resource other than GPUs, which the policies do not divide: what each job takes while it runs.

    name, capacity
        Of the resource, e.g. ``GB of memory in main``.
    amount
        Of each job on each pool, shape ``(jobs, types)``.
    """

    name: str
    capacity: float
    amount: FloatArray


@dataclass(frozen=True)
class Read:
    """A market, and what its rows and columns stand for.

    jobs
        The job of each row.
    pools
        Names of the GPU types, e.g. ``v100@main``; ``gpu_types`` and ``price``: type and hourly price of one GPU.
    left_out
        Jobs that are not in it, and why.
    needs
        CPU cores, memory and all other limits of the instance but its GPUs.
    """

    market: Market
    jobs: tuple[Job, ...]
    pools: tuple[str, ...]
    gpu_types: tuple[str, ...]
    price: FloatArray
    left_out: dict[str, str]
    needs: tuple[Needs, ...] = ()


def market_of(instance: Instance | Path | str, gpus: int | None = None) -> Read:
    """Return the market of an instance: each job with one fixed number of GPUs, at its best goodput on each pool.

    Throughputs are goodputs, in reference-batch examples/s. A job that can never run (its gang, CPU cores and memory
    fit no server, or it misses its deadline even if it runs all the time) is left out with the reason.

    Parameters
    ----------
    gpus
        GPUs of every job: as many, or the next number that it can have, or its largest; None: its fewest.

    Raises
    ------
    InputError
        Where no job can run; its value is the reason of the first job.
    """
    instance = admit(instance)
    table, beyond = _that_fit(tabulate(instance))
    job, columns = table.job, table.columns
    gang = np.full(table.jobs, np.inf)
    np.minimum.at(gang, job, np.where(columns.gpus >= (gpus or 1), columns.gpus, np.inf))
    largest = np.ones(table.jobs)
    np.maximum.at(largest, job, columns.gpus)
    gang = np.where(np.isfinite(gang), gang, largest)
    row = np.full((table.jobs, len(table.pools)), -1)
    rows = np.flatnonzero(columns.gpus == gang[job])
    goodput = columns.goodput
    rows = rows[np.argsort(goodput[rows], kind="stable")]
    row[job[rows], columns.pool[rows]] = rows  # the last one written is the fastest
    rates = np.where(row >= 0, goodput[row], 0.0) if len(table) else np.zeros(row.shape)
    weight = np.array([one.weight for one in instance.jobs])
    runs = rates.max(axis=1) > 0
    kept = np.flatnonzero(runs & (weight > 0))
    why = dict.fromkeys(np.flatnonzero(runs).tolist(), "its weight is 0") | beyond | table.reasons
    left_out = {
        instance.jobs[j].id: why.get(j) or "it cannot run now" for j in np.flatnonzero(~(runs & (weight > 0))).tolist()
    }
    if not len(kept):
        name, reason = next(iter(left_out.items()), ("", "there are no jobs"))
        raise InputError("a job that can run", path="$.jobs", value=f"{shown(name)}: {reason}")
    return Read(
        market(rates[kept], np.array([pool.capacity for pool in table.pools]), gang=gang[kept], weight=weight[kept]),
        tuple(instance.jobs[j] for j in kept.tolist()),
        tuple(map(str, table.pools)),
        tuple(pool.gpu_type for pool in table.pools),
        np.array([pool.hourly_price for pool in table.pools]),
        left_out,
        tuple(_needs(table, row[kept])),
    )


def _that_fit(table: Configurations) -> tuple[Configurations, dict[int, str]]:
    """Return the table without the rows that take more of a resource than there is, and why jobs have none left."""
    row, resource, amount = table.used
    over = np.flatnonzero(amount > table.capacity[resource] * (1 + 1e-9))
    if not len(over):
        return table, {}
    reasons = {
        int(table.job[row[k]]): f"it takes {amount[k]:g} {table.resource_names[resource[k]]}, "
        f"and there are {table.capacity[resource[k]]:g}"
        for k in over.tolist()
    }
    keep = np.ones(len(table), dtype=bool)
    keep[row[over]] = False
    return some_rows(table, keep, ""), reasons


def _needs(table: Configurations, row: IntArray) -> Iterator[Needs]:
    """Yield what jobs take of all but GPUs; ``row``: of each job and pool or -1, shape ``(jobs, types)``."""
    rows, resource, amount = table.used
    for k in range(len(table.pools), len(table.capacity)):
        here = resource == k
        if np.isfinite(table.capacity[k]) and here.any():
            taken = np.bincount(rows[here], amount[here], len(table))
            yield Needs(table.resource_names[k], float(table.capacity[k]), np.where(row >= 0, taken[row], 0.0))


def ignored(instance: Instance, read: Read, found: Shares) -> tuple[str, ...]:
    """Return what the policies do not look at and the shares do not keep, for people; empty where they keep all."""
    notes = []
    fraction, two = found.fraction, read.market.pairs
    if not np.isfinite(found.value):
        return ()
    for one in read.needs:
        used = float((one.amount * fraction).sum())
        if two is not None:
            used += float((found.paired[:, None] * one.amount[two.job, two.gpu_type[:, None]]).sum())
        if used > one.capacity * (1 + 1e-9):
            notes.append(f"ignored: {one.name}: the shares take {used:.4g} on average, and there are {one.capacity:g}")
    late = [
        job.id
        for job, rate in zip(read.jobs, found.rate.tolist(), strict=True)
        if job.deadline_s is not None
        and job.remaining_examples
        and job.remaining_examples > rate * (job.deadline_s - instance.now_s) * (1 + 1e-6)
    ]
    if late:
        more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
        notes.append(
            f"ignored: deadlines: at these shares {', '.join(late[:_NAMED])}{more} would end late; "
            "the policy cost keeps deadlines"
        )
    if instance.limits or instance.max_moves is not None:
        notes.append("ignored: limits on objectives and on moves")
    if rules := rules_in(instance):
        notes.append(f"ignored: {', '.join(rules)}")
    return tuple(notes)


def with_pairs(read: Read, path: Path | str) -> Read:
    """Return the market with the pairs of a CSV table.

    Columns: ``job, other, gpu_type``, and ``throughput, other_throughput`` of both while they share GPUs, in the
    market's units. A GPU type stands for all its pools.
    """
    file = str(path)
    table = read_text_table(path, ["job", "other", "gpu_type", "throughput", "other_throughput"])
    number = {job.id: j for j, job in enumerate(read.jobs)}
    job, where, rates = [], [], []
    both = np.stack([table.numbers(name, equal=True) for name in ("throughput", "other_throughput")], axis=1)
    for row in range(len(table)):
        for name in ("job", "other"):
            if table.columns[name][row] not in number:
                raise table.wrong(row, name, "a job of the market")
        if (wanted := table.columns["gpu_type"][row]) not in read.gpu_types:
            raise table.wrong(row, "gpu_type", f"a GPU type ({', '.join(dict.fromkeys(read.gpu_types))})")
        for k, gpu_type in enumerate(read.gpu_types):
            if gpu_type == wanted:
                job.append((number[table.columns["job"][row]], number[table.columns["other"][row]]))
                where.append(k)
                rates.append(both[row])
    of = read.market
    try:
        pairs = Pairs(np.array(job), np.array(where), np.array(rates, dtype=np.float64))
        paired = market(of.throughput, of.capacity, gang=of.gang, weight=of.weight, pairs=pairs)
    except InputError as error:
        raise error.within(file=file) from None
    return replace(read, market=paired)
