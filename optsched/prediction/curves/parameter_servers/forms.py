"""Forms of the throughput with parameter servers, over workers, servers, batch and network rate.

Notation, everywhere: ``w`` workers, ``p`` servers, ``m`` examples per worker and update, ``b`` the
network rate relative to the measured one, ``q >= 1`` the sharpness of a smooth maximum
``smax_q(x, y) = (x^q + y^q)^(1/q)`` (1: the parts take turns; towards infinity: they overlap).
Throughput never falls with ``b`` in any of them: ``b`` only divides nonnegative times.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import NonNegative, Positive
from optsched.prediction.curves.parameter_servers.form import FormBase, Parameter
from optsched.prediction.curves.parameter_servers.queueing import closed_throughput
from optsched.prediction.curves.parameter_servers.rows import Layout

__all__ = [
    "ASYNC_FORMS",
    "SYNC_FORMS",
    "AsyncCapacity",
    "AsyncMva",
    "Form",
    "SyncCapacity",
    "SyncIncast",
    "SyncSerial",
]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Sharpness = Annotated[float, msgspec.Meta(ge=1, le=1e6)]

_UNIT = 64.0  # examples to which the fit refers the time of computation; a unit, not a parameter


def _columns(z: FloatArray) -> list[FloatArray]:
    """Return the parameters one by one, each ``(..., 1)`` to broadcast against the points."""
    return [z[..., i, None] for i in range(z.shape[-1])]


def _log_smax(x: FloatArray, y: FloatArray, sharp: FloatArray) -> FloatArray:
    """Return ln smax_q(exp(x), exp(y)) for ``q = 1 + exp(sharp)``; no overflow at any sharpness."""
    q = 1.0 + np.exp(sharp)
    return np.asarray(np.logaddexp(q * x, q * y) / q)


class AsyncMva(FormBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="async-mva"):
    """Asynchronous training as a closed queueing network, by exact mean value analysis.

    ``w`` workers go around on their own: compute (a delay of ``example_s m``), queue for the download
    and the upload of the parameters (``transfer_share server_s / (2 p b)`` each) and for the update
    (``(1 - transfer_share) server_s / p``). With the passes/s ``X`` of ``closed_throughput``, the rate is
    ``m X``. Lin et al., MASCOTS 2018; Li et al., ICPE 2020 and TPDS 2022.

    example_s
        Seconds that a worker computes for an example.
    server_s, transfer_share
        Seconds that one server is busy for a pass, and which share of them is transfer.
    """

    PARAMETERS: ClassVar = (
        Parameter("example_s", "scale", -2.0, 3.0),
        Parameter("server_s", "ratio", -2.0, 2.0),
        Parameter("transfer_share", "share", 0.0, 1.5),
    )
    SHARED: ClassVar = ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    UNIT: ClassVar = (-1.0, 1.0, 0.0)

    example_s: Positive
    server_s: NonNegative
    transfer_share: Share

    @staticmethod
    def log_rate(z: FloatArray, at: Layout) -> FloatArray:
        scale, server, split = _columns(z)
        share = 1.0 / (1.0 + np.exp(-split))
        seconds = np.exp(server) / at.servers
        way = seconds * share / (2.0 * at.network)
        passes = closed_throughput(at.workers, at.batch, np.stack([way, way, seconds * (1.0 - share)]))
        return np.asarray(np.log(passes) + np.log(at.batch) - scale)


class AsyncCapacity(FormBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="async-capacity"):
    """Asynchronous training as the softened minimum of what workers compute and servers serve.

    rate = ``m / smax_q(example_s m / w, server_s (transfer_share / b + 1 - transfer_share) / p)``

    example_s, server_s, transfer_share
        As in ``AsyncMva``.
    sharpness
        ``q``: how suddenly the servers become the limit.
    """

    PARAMETERS: ClassVar = (*AsyncMva.PARAMETERS, Parameter("sharpness", "excess", 1.0, 1.0))
    SHARED: ClassVar = ((1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    UNIT: ClassVar = (-1.0, 1.0, 0.0, 0.0)

    example_s: Positive
    server_s: NonNegative
    transfer_share: Share
    sharpness: Sharpness

    def rate_curvature(self) -> float:
        return (1.0 + self.sharpness) / 4.0

    @staticmethod
    def log_rate(z: FloatArray, at: Layout) -> FloatArray:
        scale, server, split, sharp = _columns(z)
        share = 1.0 / (1.0 + np.exp(-split))
        busy = server + np.log(share / at.network + 1.0 - share) - np.log(at.servers)
        return np.log(at.batch) - scale - _log_smax(np.log(at.batch / at.workers), busy, sharp)


_STEP = (
    Parameter("fixed_s", "scale", -1.0, 3.0),
    Parameter("example_s", "ratio", -1.0, 2.0, times=_UNIT),
    Parameter("update_s", "ratio", 0.0, 2.0),
    Parameter("transfer_s", "ratio", -1.0, 2.0),
)
_WORKER = Parameter("worker_s", "ratio", -3.0, 2.0)
_SHARP = Parameter("sharpness", "excess", 0.0, 1.0)


def _shared(size: int) -> tuple[tuple[float, ...], ...]:
    """Return the rows of ``update_s`` and ``transfer_s``."""
    rest = (0.0,) * (size - 4)
    return (1.0, 0.0, 1.0, 0.0, *rest), (1.0, 0.0, 0.0, 1.0, *rest)


def _log_worker(compute: FloatArray, at: Layout) -> FloatArray:
    """Return ln of (fixed + compute) / fixed."""
    return np.asarray(np.log1p(np.exp(compute) * at.batch / _UNIT))


def _log_work(update: FloatArray, transfer: FloatArray, at: Layout) -> FloatArray:
    """Return ln of the work of all servers (update, and the transfers of all workers) / fixed."""
    return np.logaddexp(update, transfer + np.log(at.workers / at.network))


class SyncCapacity(FormBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sync-capacity"):
    """Synchronous steps in which workers and servers overlap as sharply as ``q`` says.

    step = ``smax_q(fixed_s + example_s m, (update_s + transfer_s w / b) / p^server_exponent) + worker_s w``;
    the rate is ``w m / step``.

    fixed_s, example_s
        Seconds of a step whatever its size, and of each of a worker's examples.
    update_s, transfer_s
        Seconds of the update on one server, and of the transfer of one worker's parameters.
    worker_s
        Overhead of each worker, seconds.
    server_exponent
        How well the load spreads over the servers (1: evenly).
    """

    PARAMETERS: ClassVar = (*_STEP, _WORKER, _SHARP, Parameter("server_exponent", "log", 0.0, 0.4))
    SHARED: ClassVar = _shared(7)

    fixed_s: Positive
    example_s: NonNegative
    update_s: NonNegative
    transfer_s: NonNegative
    worker_s: NonNegative
    sharpness: Sharpness
    server_exponent: NonNegative

    def rate_curvature(self) -> float:
        return (2.0 + self.sharpness) / 4.0

    @staticmethod
    def log_rate(z: FloatArray, at: Layout) -> FloatArray:
        scale, compute, update, transfer, overhead, sharp, exponent = _columns(z)
        server = _log_work(update, transfer, at) - np.exp(exponent) * np.log(at.servers)
        slower = _log_smax(_log_worker(compute, at), server, sharp)
        return np.log(at.workers * at.batch) - scale - np.logaddexp(slower, overhead + np.log(at.workers))


class SyncIncast(FormBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sync-incast"):
    """Synchronous steps whose phases follow each other.

    step = ``fixed_s + example_s m + update_s / p + (transfer_s / b) smax_q(1, w / p) + worker_s w``: the
    transfer is bound by the worker's own link (1) or by the incast at the servers (``w / p``). The
    synchronous form of Optimus (Peng et al., EuroSys'18, eq. 4), with the update spread over the servers
    and a link that cannot be outrun. Parameters as in ``SyncCapacity``.
    """

    PARAMETERS: ClassVar = (*_STEP, _WORKER, _SHARP)
    SHARED: ClassVar = _shared(6)

    fixed_s: Positive
    example_s: NonNegative
    update_s: NonNegative
    transfer_s: NonNegative
    worker_s: NonNegative
    sharpness: Sharpness

    def rate_curvature(self) -> float:
        return 0.25

    @staticmethod
    def log_rate(z: FloatArray, at: Layout) -> FloatArray:
        scale, compute, update, transfer, overhead, sharp = _columns(z)
        fan = _log_smax(np.zeros(len(at)), np.log(at.workers / at.servers), sharp)
        step = (
            1.0
            + np.exp(compute) * at.batch / _UNIT
            + np.exp(update) / at.servers
            + np.exp(transfer + fan) / at.network
            + np.exp(overhead) * at.workers
        )
        return np.asarray(np.log(at.workers * at.batch) - scale - np.log(step))


class SyncSerial(FormBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sync-serial"):
    """Amdahl's law on the servers: a share of their work (largest layer, barrier) stays on one.

    step = ``smax_q(fixed_s + example_s m, (update_s + transfer_s w / b) (1 / p + serial_share))``

    serial_share
        Part of the servers' work that more servers do not speed up. The others: as in ``SyncCapacity``.
    """

    PARAMETERS: ClassVar = (*_STEP, Parameter("serial_share", "log", -2.0, 2.0), _SHARP)
    SHARED: ClassVar = _shared(6)

    fixed_s: Positive
    example_s: NonNegative
    update_s: NonNegative
    transfer_s: NonNegative
    serial_share: NonNegative
    sharpness: Sharpness

    def rate_curvature(self) -> float:
        return (1.0 + self.sharpness) / 4.0

    @staticmethod
    def log_rate(z: FloatArray, at: Layout) -> FloatArray:
        scale, compute, update, transfer, serial, sharp = _columns(z)
        server = _log_work(update, transfer, at) + np.log(1.0 / at.servers + np.exp(serial))
        return np.log(at.workers * at.batch) - scale - _log_smax(_log_worker(compute, at), server, sharp)


Form = AsyncMva | AsyncCapacity | SyncCapacity | SyncIncast | SyncSerial
"""Every form that a file can hold; its ``form`` key tells which."""

ASYNC_FORMS: tuple[type[FormBase], ...] = (AsyncMva, AsyncCapacity)
SYNC_FORMS: tuple[type[FormBase], ...] = (SyncCapacity, SyncIncast, SyncSerial)
