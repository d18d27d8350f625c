"""Servers over time: where a job stands from its start to its end, for instances that decide on placement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance import Instance
from optsched.instance.pools import Pool

__all__ = ["Servers", "servers_of", "spread"]


@dataclass(frozen=True)
class Servers:
    """The servers of a cluster.

    name
        As placements name them.
    pool
        Number of each server's pool, -1 for none, shape ``(servers,)``.
    room
        GPUs, CPU cores and GB of memory of each, inf where not limited, shape ``(servers, 3)``.
    """

    name: tuple[str, ...]
    pool: IntArray
    room: FloatArray


def servers_of(instance: Instance, pools: Sequence[Pool]) -> Servers | None:
    """Return the servers of an instance that decides on places; None for one that decides on counts."""
    if instance.decides == "counts":
        return None
    number = {(pool.site, pool.gpu_type): k for k, pool in enumerate(pools)}
    names, pool, room = [], [], []
    for group in instance.cluster.servers:
        has = [float(group.gpus), *(np.inf if x is None else x for x in (group.cpu_cores, group.memory_gb))]
        for k in range(group.count):
            names.append(group.id if group.count == 1 else f"{group.id}/{k}")
            pool.append(number.get((group.site, group.gpu_type), -1) if group.gpu_type else -1)
            room.append(has)
    return Servers(tuple(names), np.array(pool, dtype=np.int64), np.array(room, dtype=np.float64).reshape(-1, 3))


def spread(
    servers: Servers, free: FloatArray, pool: int, gpus: int, nodes: int, per_gpu: FloatArray
) -> dict[int, int] | None:
    """Return the GPUs on each of some servers of a pool, evenly and where they fit best; None where they do not fit.

    Parameters
    ----------
    free
        What each server has, shape ``(servers, 3)``.
    per_gpu
        What a GPU takes: itself, cores, memory; shape ``(3,)``.
    """
    least, larger = divmod(gpus, nodes)
    chosen: dict[int, int] = {}
    order = np.argsort(free[:, 0], kind="stable")  # the fullest first
    for size, count in ((least + 1, larger), (least, nodes - larger)):
        if count == 0:
            continue
        fits = (servers.pool == pool) & (free >= size * per_gpu - 1e-9 * np.maximum(1.0, size * per_gpu)).all(axis=1)
        able = [s for s in order.tolist() if fits[s] and s not in chosen][:count]
        if len(able) < count:
            return None
        chosen |= dict.fromkeys(able, size)
    return chosen
