"""From pieces on classes of equal servers to pieces on servers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.problem.placement.servers import Ground, Piece
from optsched.solvers import Limits, Watch
from optsched.solvers.linear import LinearModel

__all__ = ["Dealt", "brief", "deal"]

_EPS = 1e-9
_ORDERS = 8
_SECONDS = 5.0
_NETWORK = 3
"""Place of the network rate in what pieces take: after GPUs, cores and memory."""


@dataclass(frozen=True)
class Dealt:
    """So many equal pieces of a job, to stand on servers of their own among some equal ones.

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


def brief() -> Watch:
    """Return a watch for reading a plan: dealing pieces out, and finding rates, take seconds at the most."""
    return Watch(Limits(time.monotonic() + _SECONDS))


def deal(ground: Ground, wanted: Sequence[Dealt], watch: Watch, seed: int = 0) -> dict[int, list[tuple[int, Piece]]]:
    """Return the servers of each job's pieces; a job that finds no room is left out.

    Classes are dealt out one by one: large pieces first, where they leave the least room; where that fails, in a few
    other orders, and then by a small integer program, whose word is final.
    """
    by_class: dict[tuple[int, ...], list[Dealt]] = {}
    for item in wanted:
        by_class.setdefault(item.servers, []).append(item)
    found: dict[int, list[tuple[int, Piece]]] = {}
    lost: set[int] = set()
    for servers, items in by_class.items():
        network = np.array([ground.servers[s].network_gbps for s in servers])
        free = np.column_stack([ground.capacity[list(servers)], network])
        dealt = _in_some_order(free, items, seed)
        if dealt is None:
            dealt = _by_program(free, items, watch)
        if dealt is None:
            # rates can be lowered afterwards, places cannot be shared
            dealt = _by_program(free, items, watch, over=True)
        if dealt is None:
            dealt, left_out = _most_of(free, items)
            lost |= left_out
        for item, chosen in zip(items, dealt, strict=True):
            found.setdefault(item.job, []).extend((servers[s], item.piece) for s in chosen)
    return {job: stands for job, stands in found.items() if job not in lost}


def _in_some_order(free: FloatArray, items: list[Dealt], seed: int) -> list[list[int]] | None:
    random = np.random.default_rng(seed)
    order = sorted(range(len(items)), key=lambda k: (-items[k].piece.gpus, -items[k].count, -items[k].sends))
    for _ in range(_ORDERS):
        dealt = _dealt(free, items, order)
        if all(len(servers) == item.count for servers, item in zip(dealt, items, strict=True)):
            return dealt
        # those that found no room come earlier the next time
        missed = [k for k in order if len(dealt[k]) < items[k].count]
        order = missed + [k for k in order if k not in missed]
        swap = random.integers(0, len(order), 2)
        order[swap[0]], order[swap[1]] = order[swap[1]], order[swap[0]]
    return None


def _dealt(free: FloatArray, items: list[Dealt], order: Sequence[int]) -> list[list[int]]:
    """Deal pieces out in an order; an item that finds too few servers gets none."""
    left = free.copy()
    held: dict[int, set[int]] = {}
    dealt: list[list[int]] = [[] for _ in items]
    for k in order:
        item = items[k]
        takes = np.append(item.piece.takes, item.sends)
        mine = held.setdefault(item.job, set())
        fits = [s for s in np.flatnonzero((left >= takes - _EPS).all(axis=1)).tolist() if s not in mine]
        if len(fits) < item.count:
            continue
        # the least room left, and among equals the most network
        best = sorted(fits, key=lambda s: (left[s, 0], -left[s, 3] if item.sends else left[s, 3], s))[: item.count]
        dealt[k] = best
        mine.update(best)
        left[best] -= takes
    return dealt


def _most_of(free: FloatArray, items: list[Dealt]) -> tuple[list[list[int]], set[int]]:
    """Deal out what finds room, and name the jobs that do not."""
    order = sorted(range(len(items)), key=lambda k: -items[k].piece.gpus)
    dealt = _dealt(free, items, order)
    lost = {item.job for item, servers in zip(items, dealt, strict=True) if len(servers) < item.count}
    return [[] if item.job in lost else servers for item, servers in zip(items, dealt, strict=True)], lost


def _by_program(free: FloatArray, items: list[Dealt], watch: Watch, *, over: bool = False) -> list[list[int]] | None:
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
    outcome = highs.solve(model, watch)
    if outcome.values is None:
        return None
    return [np.flatnonzero(outcome.values[x[k]] > 0.5).tolist() for k in range(len(items))]
