"""What is true and what goes wrong: real progress, which policies do not know, and failures of servers and GPUs."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import NonNegative, Positive
from optsched.simulate.tables import Tables

__all__ = ["Options", "Outage", "outages", "true_rates"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a simulation runs.

    round_s
        Seconds between decisions; 0: after every event.
    noise, bias, drift
        True progress is the curve's times exp(noise z + bias log2(GPUs) + drift y p): z and y standard normal for
        each application, type and size (so that jobs of one application agree), p the part of the work done.
    learn
        What policies learn of true progress while jobs run: ``nothing``, or the ratio of observed to modelled
        progress of each configuration, shared by the jobs of an ``application`` (remembered by the mean).
        ``truth``: they know it from the start.
    server_mtbf_s, gpu_mtbf_s, repair_s
        Mean time between failures of a server and of a single GPU (exponential), None: never; and the time of repair.
    restart_s
        Instead of what the workload says, for all jobs.
    overhead_s
        Seconds that a job keeps its GPUs after its end.
    shuffle
        Whether arrival times are dealt out to the jobs anew, by the seed.
    horizon_s
        Stop then; None: when all jobs are finished.
    """

    round_s: NonNegative = 0.0
    noise: NonNegative = 0.0
    bias: float = 0.0
    drift: NonNegative = 0.0
    learn: str = "application"
    server_mtbf_s: Positive | None = None
    gpu_mtbf_s: Positive | None = None
    repair_s: Positive = 3600.0
    restart_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    overhead_s: NonNegative = 0.0
    shuffle: bool = False
    horizon_s: Positive | None = None


class Outage(msgspec.Struct, frozen=True, gc=False):
    """GPUs ``first .. first + gpus - 1`` of a type are down from ``begin`` to ``end``."""

    begin: float
    end: float
    gpu_type: int
    first: int
    gpus: int
    announced: bool


def true_rates(tables: Tables, options: Options, seed: int) -> FloatArray:
    """Return the true progress of each row in each stage, shape ``(r, s)``; the same for every policy of a seed."""
    if options.noise == 0 and options.bias == 0 and options.drift == 0:
        return tables.rate
    random = np.random.default_rng([seed, 1])
    keys = int(tables.row_key.max(initial=-1)) + 1
    z, y = random.standard_normal((2, keys))
    part = (np.arange(tables.stages) + 0.5) / tables.stages
    log = options.noise * z[tables.row_key] + options.bias * np.log2(tables.row_gpus)
    return np.asarray(tables.rate * np.exp(log[:, None] + options.drift * y[tables.row_key][:, None] * part))


def outages(tables: Tables, options: Options, seed: int) -> Iterator[Outage]:
    """Yield what goes down, by its begin: announced maintenance, then failures of servers and GPUs for ever."""
    number = {name: k for k, name in enumerate(tables.types)}
    planned = []
    for window in tables.workload.maintenance:
        t = number[window.gpu_type]
        gpus = int(min(window.servers, tables.servers[t]) * tables.per_server[t])
        planned.append(Outage(window.begin_s, window.end_s, t, 0, gpus, True))
    planned.sort(key=lambda outage: outage.begin)
    return heapq.merge(planned, *_failures(tables, options, seed), key=lambda outage: outage.begin)


def _failures(tables: Tables, options: Options, seed: int) -> list[Iterator[Outage]]:
    """Return a stream of failures for each kind of failure and each type."""
    streams: list[Iterator[Outage]] = []
    for kind, mtbf in enumerate((options.server_mtbf_s, options.gpu_mtbf_s)):
        if mtbf is not None:
            for t in range(len(tables.types)):
                size = int(tables.per_server[t]) if kind == 0 else 1
                streams.append(
                    _stream(t, int(tables.capacity[t]) // size, size, mtbf, options.repair_s, [seed, 2, kind, t])
                )
    return streams


def _stream(t: int, units: int, size: int, mtbf: float, repair: float, seed: list[int]) -> Iterator[Outage]:
    """Yield failures of ``units`` equal units as a Poisson process; a unit that is down already fails no more."""
    random = np.random.default_rng(seed)
    now, down = 0.0, np.zeros(units)
    while True:
        now += float(random.exponential(mtbf / units))
        unit = int(random.integers(units))
        if down[unit] <= now:
            down[unit] = now + repair
            yield Outage(now, now + repair, t, unit * size, size, False)
