"""Ways to run jobs that list their configurations: wherever these fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optsched._util.arrays import IntArray, distinct, run_starts
from optsched.instance import Instance, Job
from optsched.instance.pools import Pool
from optsched.problem.configurations.requests import Requests
from optsched.problem.configurations.table import ConfigurationColumns, none, stacked

__all__ = ["explicit_configurations"]


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
    numbers = [
        (
            c.gpus,
            c.nodes or 0,
            c.servers,
            c.accumulation,
            np.nan if c.local_batch is None else c.local_batch,
            c.throughput,
            c.efficiency,
            np.nan if c.gbps is None else c.gbps,
        )
        for c in every
    ]
    cells = np.array(numbers, dtype=np.float64).T
    gpus, named, servers, passes = cells[:4].astype(np.int64)
    gpu_type, site = np.array([c.gpu_type for c in every]), np.array([c.site or "" for c in every])
    parts, owners = [], []
    for number, pool in enumerate(everywhere):
        allowed = np.array([job.sites is None or pool.site in job.sites for job in jobs], dtype=bool)
        here = (gpu_type == pool.gpu_type) & (gpus <= pool.capacity) & allowed[owner]
        some: IntArray = np.flatnonzero(here & ((site == "") | (site == pool.site)))
        most = requests.per_server[owner[some]]
        nodes = np.where(named[some] > 0, named[some], pool.packed_nodes(gpus[some], most))
        fits = pool.fits(gpus[some], nodes, most, evenly=instance.decides != "counts")
        some, nodes = some[fits], nodes[fits]
        meets = (instance.decides == "network") & ((nodes > 1) | (servers[some] > 0))
        batch, throughput, efficiency, gbps = cells[4:, some]
        efficiency = efficiency * requests.affinity(pool.site, owner[some])
        pools = np.full(len(some), number)
        gbps = np.where(meets, gbps, np.nan)
        parts.append(
            ConfigurationColumns(
                pools, gpus[some], nodes, servers[some], batch, passes[some], throughput, efficiency, gbps
            )
        )
        owners.append(owner[some])
    columns, owner = stacked(parts), np.concatenate(owners)
    order = np.lexsort((columns.nodes, columns.servers, columns.gpus, columns.pool, owner))
    order = order[_most_efficient(owner[order], columns.take(order))]
    return owner[order], columns.take(order)


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
