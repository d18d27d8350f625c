"""Ways to run jobs that list their configurations: wherever these fit."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import attrgetter
from typing import TypeVar

import numpy as np

from optsched._util.arrays import FloatArray, IntArray, by_group, distinct, run_starts
from optsched.instance import Configuration, Instance, Job
from optsched.instance.pools import Pool
from optsched.problem.configurations.requests import Requests
from optsched.problem.configurations.table import ConfigurationColumns, none, stacked

__all__ = ["explicit_configurations"]

T = TypeVar("T")


def explicit_configurations(
    jobs: Sequence[Job], instance: Instance, everywhere: Sequence[Pool], requests: Requests
) -> tuple[IntArray, ConfigurationColumns]:
    """Return (job, way) of all configurations that jobs list, in every pool where they fit, by job and pool.

    An allocation does not say how efficient its batch is: of ways that differ in that alone, the best one stays.
    """
    owner = np.repeat(np.arange(len(jobs)), [len(job.configurations) for job in jobs])
    every = [c for job in jobs for c in job.configurations]
    if not every:
        return owner, none()
    gpus, named, servers, passes = (
        _column(every, name).astype(np.int64) for name in ("gpus", "nodes", "servers", "accumulation")
    )
    cells = np.stack([_column(every, name) for name in ("local_batch", "throughput", "efficiency", "gbps")])
    by_place = _by_place(every)
    limited = any(job.sites is not None for job in jobs)
    parts, owners = [], []
    for number, pool in enumerate(everywhere):
        places = [by_place[key] for key in ((pool.gpu_type, None), (pool.gpu_type, pool.site)) if key in by_place]
        if not places:
            continue
        some: IntArray = places[0] if len(places) == 1 else np.sort(np.concatenate(places))
        some = some[gpus[some] <= pool.capacity]
        if limited:
            allowed = np.array([job.sites is None or pool.site in job.sites for job in jobs], dtype=bool)
            some = some[allowed[owner[some]]]
        most = requests.per_server[owner[some]]
        nodes = np.where(named[some] > 0, named[some], pool.packed_nodes(gpus[some], most))
        fits = pool.fits(gpus[some], nodes, most, evenly=instance.decides != "counts")
        some, nodes = some[fits], nodes[fits]
        meets = (instance.decides == "network") & ((nodes > 1) | (servers[some] > 0))
        batch, throughput, efficiency, gbps = cells[:, some]
        efficiency = efficiency * requests.affinity(pool.site, owner[some])
        pools = np.full(len(some), number)
        gbps = np.where(meets, gbps, np.nan)
        parts.append(
            ConfigurationColumns(
                pools, gpus[some], nodes, servers[some], batch, passes[some], throughput, efficiency, gbps
            )
        )
        owners.append(owner[some])
    if not parts:
        return owner[:0], none()
    columns, owner = stacked(parts), np.concatenate(owners)
    order = _sorted(owner, columns.pool, columns.gpus, columns.servers, columns.nodes)
    order = order[_most_efficient(owner[order], columns.take(order))]
    return owner[order], columns.take(order)


def _sorted(*keys: IntArray) -> IntArray:
    """Return the stable order by the first key, then the second, and so on; all are >= 0.

    The keys are runs that are sorted already, pool by pool, which a stable sort of one number merges; ``np.lexsort``
    sorts anew by each key.
    """
    sizes = [int(key.max(initial=0)) + 1 for key in keys]
    if prod(sizes) >= 2**62:
        return np.lexsort(keys[::-1])
    number = keys[0]
    for key, size in zip(keys[1:], sizes[1:], strict=True):
        number = number * size + key
    return np.argsort(number, kind="stable")


_MISSING = {"nodes": 0}
"""What stands for None in a column of numbers; elsewhere it is nan."""


def _column(every: Sequence[Configuration], name: str) -> FloatArray:
    """Return a field of all configurations, of which there may be millions, shape ``(n,)``."""
    values = list(map(attrgetter(name), every))
    missing = _MISSING.get(name, np.nan)
    if None in values:
        if values.count(None) == len(values):
            return np.full(len(values), missing)
        values = [missing if value is None else value for value in values]
    return np.array(values, dtype=np.float64)


def _by_place(every: Sequence[Configuration]) -> dict[tuple[str, str | None], IntArray]:
    """Return the numbers of the configurations of each GPU type and site (None: any), each in increasing order."""
    types, type_of = _coded(list(map(attrgetter("gpu_type"), every)))
    sites, site_of = _coded(list(map(attrgetter("site"), every)))
    start, order = by_group(type_of * len(sites) + site_of, len(types) * len(sites))
    keys = [(gpu_type, site) for gpu_type in types for site in sites]
    return {key: order[start[k] : start[k + 1]] for k, key in enumerate(keys) if start[k] < start[k + 1]}


def _coded(values: list[T]) -> tuple[list[T], IntArray]:
    """Return the distinct values, and the number of each value among them, shape ``(n,)``."""
    distinct_values = list(dict.fromkeys(values))
    code = {value: number for number, value in enumerate(distinct_values)}
    return distinct_values, np.array(list(map(code.__getitem__, values)), dtype=np.int64)


def _most_efficient(owner: IntArray, columns: ConfigurationColumns) -> IntArray:
    """Return the numbers, in increasing order, of the most efficient of all ways that are equal but for that."""
    keys = (owner, columns.pool, columns.gpus, columns.nodes, columns.servers)  # rows are sorted by these
    if len(run_starts(*keys)) == len(owner):
        return np.arange(len(owner))
    equal = np.column_stack(
        [
            owner,
            columns.pool,
            columns.gpus,
            columns.nodes,
            columns.servers,
            columns.local_batch,
            columns.accumulation,
            columns.throughput,
            columns.gbps,
        ]
    )
    best_first = np.argsort(-columns.efficiency, kind="stable")
    first, _ = distinct(equal[best_first])
    kept: IntArray = np.sort(best_first[first])
    return kept
