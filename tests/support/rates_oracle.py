"""Curves at network rates in plain formulas, and the best rates of a few jobs by narrowing grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optsched.prediction.curves import AllReduce, Amdahl, Curve, ParameterServer, Table

__all__ = ["Rated", "best_rates", "speed"]

POINTS = 17
"""Points of a grid; the next one covers two of its steps."""
ROUNDS = 12


def soft_max(x, y, sharpness):
    return (x**sharpness + y**sharpness) ** (1 / sharpness)


def speed(curve: Curve, gpus: int, nodes: int, batch: float | None, passes: int, servers: int, gbps=None):
    """Return examples/s by a curve at a network rate (None: as measured); None where it is unknown."""
    if isinstance(curve, Amdahl):
        return curve.single / (curve.serial + (1 - curve.serial) / gpus)
    if isinstance(curve, Table):
        for row in curve.rows:
            asked = ((row.nodes, nodes), (row.local_batch, batch), (row.servers, servers))
            if row.gpus == gpus and all(want is None or want == have for want, have in asked):
                return row.throughput
        return None
    if batch is None or (gbps is not None and curve.reference_gbps is None):
        return None
    if isinstance(curve, AllReduce):
        return None if servers else all_reduce(curve, gpus, nodes, batch, passes, gbps)
    assert isinstance(curve, ParameterServer)
    assert len(curve.members) == 1
    if servers == 0:
        return None
    relative = 1.0 if gbps is None else gbps / curve.reference_gbps
    return with_servers(curve.members[0], gpus, servers, batch * passes, relative)


def all_reduce(curve: AllReduce, gpus: int, nodes: int, batch: float, passes: int, gbps):
    """The formula in the docstring of the curve, without what is never drawn here (a floor, waiting for others)."""
    assert not any((curve.floor_s, curve.host_sharing, curve.straggling, curve.correction))
    compute = curve.pass_s + curve.example_s * batch
    crowd = math.ceil(gpus / nodes)
    sync = curve.local_sync_s * (crowd / 2) ** curve.local_exponent if crowd > 1 else 0.0
    if nodes > 1:
        host = curve.host_s_per_gbit
        slower = 1.0 if gbps is None else (1 / gbps + host) / (1 / curve.reference_gbps + host)
        pair = curve.two_nodes if nodes == 2 and crowd > 1 else 1.0
        sync = sync + curve.sync_s * (nodes / 2) ** curve.node_exponent * crowd**curve.gpu_exponent * pair * slower
    elif gbps is not None:
        sync = sync + 0.0 * gbps
    last = soft_max((1 - curve.serial) * compute, sync, curve.overlap) + curve.serial * compute
    return gpus * batch * passes / ((passes - 1) * compute + last)


def with_servers(form, workers: int, servers: int, batch: float, network):
    """The formulas in the docstrings of three forms; ``network``: relative to the rate that was measured."""
    q = form.sharpness
    kind = type(form).name()
    if kind == "async-capacity":
        busy = form.server_s * (form.transfer_share / network + 1 - form.transfer_share) / servers
        return batch / soft_max(form.example_s * batch / workers, busy, q)
    own = form.fixed_s + form.example_s * batch
    if kind == "sync-incast":
        fan = soft_max(1.0, workers / servers, q)
        step = own + form.update_s / servers + form.transfer_s / network * fan + form.worker_s * workers
    else:
        assert kind == "sync-capacity"
        work = (form.update_s + form.transfer_s * workers / network) / servers**form.server_exponent
        step = soft_max(own, work, q) + form.worker_s * workers
    return workers * batch / step


@dataclass(frozen=True)
class Rated:
    """A job whose rate is to choose, and its value at rates, concave and not falling; None: it does not count."""

    least: float
    most: float
    value: Callable[[np.ndarray], np.ndarray] | None


def best_rates(
    jobs: list[Rated], rows: list[tuple[tuple[float, ...], float]], least_counts: bool, others: list[float]
) -> tuple[float, tuple[float, ...]]:
    """Return the best value and the rates of it: the sum, or the least, of the jobs' values and of those of others.

    The least of none is inf.

    rows
        (parts, limit): the rates times the parts sum to the limit at most. Least rates keep them.
    """
    free = [k for k, job in enumerate(jobs) if job.value is not None]
    rates = [job.least for job in jobs]
    constant = min(others, default=math.inf) if least_counts else sum(others)
    if free:
        parts = np.array([[part[k] for k in free] for part, _ in rows]).reshape(len(rows), len(free))
        spoken = [
            sum(p * job.least for p, job in zip(part, jobs, strict=True) if job.value is None) for part, _ in rows
        ]
        limits = np.array([limit for _, limit in rows]) - np.array(spoken)
        least, most = (np.array([getattr(jobs[k], end) for k in free]) for end in ("least", "most"))

        def total(values: list[np.ndarray]) -> np.ndarray:
            return np.minimum(np.min(values, axis=0), constant) if least_counts else np.sum(values, axis=0) + constant

        if (parts @ most <= limits * (1 + 1e-12)).all():
            found = most
        else:
            found = _narrowed([jobs[k].value for k in free], parts, limits, least, most, total)
        for k, rate in zip(free, found.tolist(), strict=True):
            rates[k] = rate
        constant = float(total([np.asarray(jobs[k].value(rates[k]), dtype=float) for k in free]))
    return constant, tuple(rates)


def _narrowed(values, parts, limits, least, most, total) -> np.ndarray:
    """Return the rates of the largest total.

    The last job takes what the others leave it; the largest total over the last rates is a concave function of the
    first ones, so that its maximum lies in the two steps around the best point of any grid.
    """

    def inner(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the best total for first rates of shape (n, k), and the rates (n, jobs)."""
        number = first.shape[1]
        # what the later jobs need at least is left to them
        left = limits - first @ parts[:, :number].T - parts[:, number + 1 :] @ least[number + 1 :]
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(parts[:, number] > 0, left / parts[:, number], np.inf).min(axis=1)
        high = np.clip(room, least[number], most[number])
        if number == len(values) - 1:
            rates = np.column_stack([first, high])
            return total([value(rates[:, k]) for k, value in enumerate(values)]), rates
        low = np.full(len(first), least[number])
        for _ in range(ROUNDS):
            grid = np.linspace(low, high, POINTS, axis=1)
            flat = np.column_stack([np.repeat(first, POINTS, axis=0), grid.ravel()])
            found, rates = inner(flat)
            at = found.reshape(-1, POINTS).argmax(axis=1)
            rows = np.arange(len(first))
            best = rates.reshape(len(first), POINTS, -1)[rows, at]
            low, high = grid[rows, np.maximum(at - 1, 0)], grid[rows, np.minimum(at + 1, POINTS - 1)]
        return found.reshape(-1, POINTS)[rows, at], best

    return inner(np.empty((1, 0)))[1][0]
