"""What GPUs can be had: the pools of a cluster, a list of prices, or the GPU types that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optsched._util.arrays import IntArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.columns import same_type

if TYPE_CHECKING:
    from optsched.prediction.curves.fitted import CurveFile

__all__ = ["Offer", "of_cluster", "of_curves", "of_types", "read_prices"]

_MOST_SERVERS = 16
"""Servers of a type that a list of prices does not limit."""


@dataclass(frozen=True)
class Offer:
    """GPUs of one type that can be held together.

    name
        The GPU type, with its site where there are several.
    sizes
        GPUs of each server, largest first, shape ``(servers,)``.
    hourly_price
        Of one GPU; None where no price is known.
    memory_gb
        Of one GPU; None where it is not known.
    gbps
        Network rate of each server; None where it is not known.
    """

    name: str
    gpu_type: str
    sizes: IntArray
    hourly_price: float | None = None
    memory_gb: float | None = None
    gbps: float | None = None

    @property
    def capacity(self) -> int:
        """GPUs in all."""
        return int(self.sizes.sum())


def of_cluster(path: Path | str) -> tuple[Offer, ...]:
    """Return the pools of an instance's cluster.

    A price of 0 stands for none where all prices are 0: the cluster names no price.
    """
    from optsched.instance import load
    from optsched.instance.pools import pools

    instance = load(path)
    types = {gpu.id: gpu for gpu in instance.cluster.gpu_types}
    found = pools(instance)
    if not found:
        raise InputError("a cluster with GPUs", path="$.cluster", file=str(path))
    priced = any(pool.hourly_price > 0 for pool in found)
    several = len({pool.site for pool in found}) > 1
    offers = []
    for pool in found:
        rates = [
            server.network_gbps
            for server in instance.cluster.servers
            if (server.site, server.gpu_type) == (pool.site, pool.gpu_type)
        ]
        slowest = min((rate for rate in rates if rate is not None), default=None)
        offers.append(
            Offer(
                str(pool) if several else pool.gpu_type,
                pool.gpu_type,
                pool.sizes,
                pool.hourly_price if priced else None,
                types[pool.gpu_type].memory_gb,
                slowest,
            )
        )
    return tuple(offers)


def read_prices(path: Path | str) -> tuple[Offer, ...]:
    """Read a table of prices, one offer a row.

    Columns: ``gpu_type, hourly_price`` (of one GPU). Optional: ``gpus_per_server`` (default 8), ``servers`` (most of
    them, default 16), ``memory_gb`` (of one GPU), ``gbps`` (network rate of a server).

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    from optsched.prediction.tables import read_text_table

    table = read_text_table(path, ["gpu_type", "hourly_price"])
    n = len(table)
    names = table.names("gpu_type")
    prices = table.numbers("hourly_price", equal=True)
    each = table.whole("gpus_per_server") if "gpus_per_server" in table else np.full(n, 8.0)
    servers = table.whole("servers") if "servers" in table else np.full(n, float(_MOST_SERVERS))
    for row in np.flatnonzero(each * servers > 100_000)[:1].tolist():
        column = "servers" if "servers" in table else "gpus_per_server"
        raise table.wrong(row, column, "at most 100,000 GPUs of one offer")
    further = {
        name: table.numbers(name, gaps=True) if name in table else np.full(n, np.nan) for name in ("memory_gb", "gbps")
    }
    return tuple(
        Offer(
            _named(names, row, further["gbps"][row]),
            names[row],
            np.full(int(servers[row]), int(each[row]), dtype=np.int64),
            float(prices[row]),
            _known(further["memory_gb"][row]),
            _known(further["gbps"][row]),
        )
        for row in range(n)
    )


def of_curves(file: CurveFile, model: str) -> tuple[Offer, ...]:
    """Return as many GPUs of each type as were measured, without prices."""
    own = [fitted for fitted in file.curves if fitted.model == model] or list(file.curves)
    if not own:
        expected = "curves of GPU types, or --cluster or --prices, which say what can be had"
        raise InputError(expected, path="--curves", value=shown(model))
    offers = {}
    for gpu_type in sorted({fitted.gpu_type for fitted in own}):
        ours = [fitted for fitted in own if fitted.gpu_type == gpu_type]
        type_wide = [fitted for fitted in file.curves if fitted.gpu_type == gpu_type]
        most = max(fitted.max_gpus for fitted in (ours if len(own) < len(file.curves) else type_wide))
        most = max(most, max(fitted.max_gpus for fitted in type_wide) if most < 2 else most)
        each = max(fitted.gpus_per_node for fitted in type_wide)
        whole, rest = divmod(most, each)
        sizes = [each] * whole + [rest] * (rest > 0)
        offers[gpu_type] = Offer(gpu_type, gpu_type, np.array(sizes, dtype=np.int64))
    return tuple(offers.values())


def of_types(offers: tuple[Offer, ...], gpu_types: Sequence[str]) -> tuple[Offer, ...]:
    """Return the offers of some GPU types, however they are spelled; all where none is named.

    Raises
    ------
    InputError
        Where no offer is of one of them.
    """
    wanted = {same_type(name) for name in gpu_types}
    chosen = tuple(offer for offer in offers if not wanted or same_type(offer.gpu_type) in wanted)
    if not chosen:
        there = ", ".join(dict.fromkeys(offer.gpu_type for offer in offers))
        raise InputError(f"a GPU type that can be had: {there}", path="--gpu", value=shown(", ".join(gpu_types)))
    return chosen


def _named(names: list[str], row: int, gbps: float) -> str:
    """Return a name that tells offers of one GPU type apart."""
    if names.count(names[row]) == 1:
        return names[row]
    return f"{names[row]} at {gbps:g} Gb/s" if np.isfinite(gbps) else f"{names[row]} (row {row + 1})"


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
