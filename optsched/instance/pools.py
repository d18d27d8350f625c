"""Pools: the GPUs of one type in one site, which any job that runs there draws from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray, even_split
from optsched.instance import Instance
from optsched.instance.transfers import Transfers, hourly_price

__all__ = ["Pool", "Resource", "pools", "resources"]


@dataclass(frozen=True)
class Pool:
    """GPUs of one type in one site.

    sizes
        GPUs of each server, largest first, shape ``(servers,)``.
    hourly_price
        Of one GPU.
    """

    site: str
    gpu_type: str
    sizes: IntArray
    hourly_price: float

    @cached_property
    def capacity(self) -> int:
        """GPUs in all."""
        return int(self.sizes.sum())

    def packed_nodes(self, gpus: IntArray, most: IntArray | int | None = None) -> IntArray:
        """Return the fewest servers that hold a number of GPUs in the empty pool; shape of ``gpus``.

        One more than there are, where none do. ``most``: on each server, of each count or of all.
        """
        limits, number = np.unique(self.capacity if most is None else most, return_inverse=True)
        number = np.broadcast_to(number.ravel(), len(gpus))
        nodes = np.empty(len(gpus), dtype=np.int64)
        for n, limit in enumerate(limits.tolist()):
            mine = number == n if len(limits) > 1 else slice(None)
            nodes[mine] = np.searchsorted(np.cumsum(np.minimum(self.sizes, limit)), gpus[mine]) + 1
        return nodes

    def even_nodes(self, gpus: int, most: int | None = None) -> IntArray:
        """Return the numbers of servers that hold a number of GPUs evenly in the empty pool, ``most`` on each.

        Evenly: as many on each, but for one more on some.
        """
        sizes = self.sizes if most is None else np.minimum(self.sizes, most)
        nodes = np.arange(1, min(gpus, len(sizes)) + 1)
        (larger, smaller), (more, _) = (part.T for part in even_split(gpus, nodes))
        fits: NDArray[np.bool_] = (sizes[nodes - 1] >= smaller) & (
            (more == 0) | (sizes[np.maximum(more, 1) - 1] >= larger)
        )
        even: IntArray = nodes[fits]
        return even

    def fits(self, gpus: IntArray, nodes: IntArray, most: IntArray, *, evenly: bool) -> NDArray[np.bool_]:
        """Tell whether GPUs fit on ``nodes`` servers of the empty pool, ``most`` on each; shape of ``gpus``."""
        fits: NDArray[np.bool_] = (self.packed_nodes(gpus, most) <= nodes) & (nodes <= len(self.sizes))
        if evenly:
            each = zip(gpus.tolist(), nodes.tolist(), most.tolist(), strict=True)
            fits &= np.array([n in self.even_nodes(g, limit) for g, n, limit in each], dtype=bool)
        return fits

    def __str__(self) -> str:
        return f"{self.gpu_type}@{self.site}"


@dataclass(frozen=True)
class Resource:
    """Something countable that configurations use up: GPUs of a pool, cores or memory of a site, a link's rate."""

    name: str
    capacity: float


def pools(instance: Instance) -> tuple[Pool, ...]:
    """Return the pools of the cluster, by site and GPU type in the order of the file."""
    cluster = instance.cluster
    prices = hourly_price(cluster)
    found = []
    for site in cluster.sites:
        for gpu in cluster.gpu_types:
            groups = [s for s in cluster.servers if s.site == site.id and s.gpu_type == gpu.id]
            if groups:
                sizes = np.repeat([s.gpus for s in groups], [s.count for s in groups])
                found.append(Pool(site.id, gpu.id, np.sort(sizes)[::-1], prices[site.id, gpu.id]))
    return tuple(found)


def resources(instance: Instance) -> tuple[Resource, ...]:
    """Return what is shared: the pools' GPUs first, then each site's CPU cores, then each site's memory.

    Links between sites follow, each way of each, where jobs have data that are copied to where they run. The cores
    and the memory of a site are unlimited where one of its servers does not say its own.
    """
    found = [Resource(f"GPUs of {pool}", pool.capacity) for pool in pools(instance)]
    for field, noun in (("cpu_cores", "CPU cores"), ("memory_gb", "GB of memory")):
        for site in instance.cluster.sites:
            groups = [s for s in instance.cluster.servers if s.site == site.id]
            each = [getattr(s, field) for s in groups]
            known = None not in each
            total = sum(s.count * x for s, x in zip(groups, each, strict=True)) if known else np.inf
            found.append(Resource(f"{noun} in {site.id}", float(total)))
    transfers = Transfers(instance)
    for link in transfers.links if transfers.any else ():
        found += [Resource(f"Gb/s of link {link.id} from {end}", link.capacity_gbps) for end in link.ends]
    return tuple(found)
