"""From pieces on classes of equal servers to pieces on servers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.placement.servers import Piece, ServerInventory
from optsched.solvers import Limits, RunContext
from optsched.solvers.linear import LinearModel

__all__ = ["PackItem", "pack", "short_context"]

_EPS = 1e-9
_ORDERS = 8
_SECONDS = 5.0
_NETWORK = 3
"""Place of the network rate in what pieces take: after GPUs, cores and memory."""


@dataclass(frozen=True)
class PackItem:
    """A number of equal pieces of a job, to be placed on servers of their own among some equal ones.

    servers
        Numbers of the servers to choose from.
    sends
        Network rate of each.
    """

    job: int
    piece: Piece
    count: int
    servers: tuple[int, ...]
    sends: float


def short_context() -> RunContext:
    """Return a watch for reading a plan: dealing pieces out, and finding rates, take seconds at the most."""
    return RunContext(Limits(time.monotonic() + _SECONDS))


def pack(
    inventory: ServerInventory, wanted: Sequence[PackItem], context: RunContext, seed: int = 0
) -> dict[int, list[tuple[int, Piece]]]:
    """Return the servers of each job's pieces; a job that finds no room is left out.

    Classes are dealt out one by one: large pieces first, where they leave the least room; where that fails, in a few
    other orders, and then by a small integer program, whose word is final.
    """
    by_class: dict[tuple[int, ...], list[PackItem]] = {}
    for item in wanted:
        by_class.setdefault(item.servers, []).append(item)
    found: dict[int, list[tuple[int, Piece]]] = {}
    lost: set[int] = set()
    for servers, items in by_class.items():
        network = np.array([inventory.servers[s].network_gbps for s in servers])
        free = np.column_stack([inventory.capacity[list(servers)], network])
        packed = _in_some_order(free, items, seed)
        if packed is None:
            packed = _by_program(free, items, context)
        if packed is None:
            # rates can be lowered afterwards, places cannot be shared
            packed = _by_program(free, items, context, over=True)
        if packed is None:
            packed, left_out = _most_of(free, items)
            lost |= left_out
        for item, chosen in zip(items, packed, strict=True):
            found.setdefault(item.job, []).extend((servers[s], item.piece) for s in chosen)
    return {job: placed for job, placed in found.items() if job not in lost}


def _in_some_order(free: FloatArray, items: list[PackItem], seed: int) -> list[list[int]] | None:
    random = np.random.default_rng(seed)
    order = sorted(range(len(items)), key=lambda k: (-items[k].piece.gpus, -items[k].count, -items[k].sends))
    for _ in range(_ORDERS):
        packed = _packed(free, items, order)
        if all(len(servers) == item.count for servers, item in zip(packed, items, strict=True)):
            return packed
        # those that found no room come earlier the next time
        missed = [k for k in order if len(packed[k]) < items[k].count]
        order = missed + [k for k in order if k not in missed]
        swap = random.integers(0, len(order), 2)
        order[swap[0]], order[swap[1]] = order[swap[1]], order[swap[0]]
    return None


def _packed(free: FloatArray, items: list[PackItem], order: Sequence[int]) -> list[list[int]]:
    """Deal pieces out in an order; an item that finds too few servers gets none."""
    residual = free.copy()
    held: dict[int, set[int]] = {}
    packed: list[list[int]] = [[] for _ in items]
    for k in order:
        item = items[k]
        takes = np.append(item.piece.takes, item.sends)
        mine = held.setdefault(item.job, set())
        fits = [s for s in np.flatnonzero((residual >= takes - _EPS).all(axis=1)).tolist() if s not in mine]
        if len(fits) < item.count:
            continue
        # the least room left, and among equals the most network
        best = sorted(fits, key=lambda s: (residual[s, 0], -residual[s, 3] if item.sends else residual[s, 3], s))[
            : item.count
        ]
        packed[k] = best
        mine.update(best)
        residual[best] -= takes
    return packed


def _most_of(free: FloatArray, items: list[PackItem]) -> tuple[list[list[int]], set[int]]:
    """Deal out what finds room, and name the jobs that do not."""
    order = sorted(range(len(items)), key=lambda k: -items[k].piece.gpus)
    packed = _packed(free, items, order)
    lost = {item.job for item, servers in zip(items, packed, strict=True) if len(servers) < item.count}
    return [[] if item.job in lost else servers for item, servers in zip(items, packed, strict=True)], lost


def _by_program(
    free: FloatArray, items: list[PackItem], context: RunContext, *, over: bool = False
) -> list[list[int]] | None:
    """Deal out by an integer program: item i has a piece on server s or not.

    Where servers may send more than they have (``over``), they do so by as little as can be, in all.
    """
    from optsched.solvers import highs

    servers = len(free)
    model = LinearModel()
    x = model.add_variables("x", len(items) * servers, upper=1.0, integer=True).reshape(len(items), servers)
    count = np.array([item.count for item in items], dtype=np.float64)
    where = np.repeat(np.arange(len(items)), servers)
    model.add_rows("count", (where, x.ravel(), 1.0), lower=count, upper=count, size=len(items))
    takes = np.array([np.append(item.piece.takes, item.sends) for item in items])
    for d in range(4):
        binds = np.flatnonzero(np.isfinite(free[:, d]))
        if len(binds) and takes[:, d].any():
            row, column = np.tile(np.arange(len(binds)), len(items)), x[:, binds].ravel()
            amount = takes[:, d].repeat(len(binds))
            if over and d == _NETWORK:
                excess = model.add_variables("excess", len(binds), cost=-1.0)
                row, column = np.append(row, np.arange(len(binds))), np.append(column, excess)
                amount = np.append(amount, np.full(len(binds), -1.0))
            model.add_rows("room", (row, column, amount), upper=free[binds, d], size=len(binds))
    shared = [job for job, number in Counter(item.job for item in items).items() if number > 1]
    for job in shared:
        mine = [k for k, item in enumerate(items) if item.job == job]
        entries = (np.tile(np.arange(servers), len(mine)), x[mine].ravel(), np.ones(len(mine) * servers))
        model.add_rows("apart", entries, upper=1.0, size=servers)
    outcome = highs.solve(model, context)
    if outcome.values is None:
        return None
    return [np.flatnonzero(outcome.values[x[k]] > 0.5).tolist() for k in range(len(items))]
