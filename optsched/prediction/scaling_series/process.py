"""Minutes to quality as examples over rate, each a formula times a Gaussian process.

With ``N`` accelerators and a global batch ``B``, relative to one node's ``N = 8`` and to its usual batch ``B0``::

    minutes     = E(B) / R(N, B)
    ln E        = ln(1 + (B / B0) / kz)                        + e      examples to the quality
    ln R        = ln(N / 8) - ln(1 + (N / 8) / (B / B0) / ku)  + t      examples/s

up to constants: examples grow with the batch as the noise scale has it (McCandlish et al. 2018, sec. 2.3), and a step
takes a part that does not shrink with the examples of an accelerator. ``e`` and ``t`` are Gaussian processes: effects
of benchmarks, accelerators, machines, submitters and rounds, on levels, on slopes over ``log N``, and on the two
constants ``kz`` and ``ku``, with smooth deviations of each benchmark and machine. Minutes and published throughputs are
observed together, so that each tells of both (Rasmussen & Williams 2006, eq. 2.22-2.24 on stacked outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.prediction.scaling_series.fitted import Measured, System
from optsched.prediction.scaling_series.systems import SPEED

__all__ = ["examples_trend", "predict_log_minutes"]

_NODE = 8.0
_KZ, _KU = 4.5, 6.0
_USUAL_SPEED = 1.4
_LEVEL = 3.0
"""Standard deviation of a benchmark's level: next to nothing is known of a new one."""
_RANGE, _MACHINE_RANGE = 2.5, 3.0
"""Doublings of the number of accelerators, or of the batch, over which smooth deviations change."""
_NOISE_E, _NOISE_T, _NOISE_R = 0.05, 0.06, 0.015
"""Standard deviations of the logs of examples, of rates, and of published throughputs about them."""

Pairs = NDArray[np.bool_]


@dataclass(frozen=True)
class _Features:
    """``n`` systems: doublings over a node (``x``, and weighed by speed ``v``), of the batch ``z``, and of the batch of
    an accelerator ``u``; names of what they share."""

    x: FloatArray
    v: FloatArray
    z: FloatArray
    u: FloatArray
    names: dict[str, NDArray[np.str_]]

    @property
    def trend_e(self) -> FloatArray:
        return examples_trend(self.z)

    @property
    def trend_t(self) -> FloatArray:
        return np.asarray(np.log(2.0) * self.x + np.log1p(1 / _KU) - np.log1p(2.0**-self.u / _KU))

    @property
    def at_kz(self) -> FloatArray:
        return np.asarray(2.0**self.z / (_KZ + 2.0**self.z))

    @property
    def at_ku(self) -> FloatArray:
        return np.asarray(2.0**-self.u / (_KU + 2.0**-self.u))


def examples_trend(z: FloatArray) -> FloatArray:
    """Return ln of the examples to the quality at ``z`` doublings of the usual batch, relative to it."""
    return np.asarray(np.log1p(2.0**z / _KZ) - np.log1p(1 / _KZ))


def _features(systems: Sequence[System], usual: dict[str, float]) -> _Features:
    x = np.log2(np.array([s.accelerators for s in systems]) / _NODE)
    z = np.array([np.log2(s.global_batch) - usual.get(s.benchmark, np.log2(s.global_batch)) for s in systems])
    speed = np.log2([SPEED.get(s.accelerator, _USUAL_SPEED) for s in systems])
    names = {
        "benchmark": [s.benchmark for s in systems],
        "accelerator": [s.accelerator or f"? {s.machine}" for s in systems],
        "machine": [s.machine for s in systems],
        "submitter": [s.submitter for s in systems],
        "round": [s.round for s in systems],
    }
    return _Features(x, x + speed, z, z - x, {name: np.array(column) for name, column in names.items()})


def _usual(systems: Sequence[System]) -> dict[str, float]:
    """Return the log2 of each benchmark's usual batch: the median on at most a node, or else the smallest."""
    found = {}
    for benchmark in sorted({s.benchmark for s in systems}):
        own = [s for s in systems if s.benchmark == benchmark]
        small = [np.log2(s.global_batch) for s in own if s.accelerators <= _NODE]
        found[benchmark] = float(np.median(small)) if small else min(float(np.log2(s.global_batch)) for s in own)
    return found


def _covariances(a: _Features, b: _Features) -> tuple[FloatArray, FloatArray]:
    """Return the covariances of ``e`` and of ``t`` between systems, shape ``(n, m)`` each."""

    def same(name: str) -> Pairs:
        return np.asarray(a.names[name][:, None] == b.names[name][None, :])

    def near(of: str, reach: float) -> FloatArray:
        apart = getattr(a, of)[:, None] - getattr(b, of)[None, :]
        return np.asarray(np.exp(-(apart**2) / (2 * reach**2)))

    benchmark, accelerator, machine = same("benchmark"), same("accelerator"), same("machine")
    kz, ku, xx = np.outer(a.at_kz, b.at_kz), np.outer(a.at_ku, b.at_ku), np.outer(a.x, b.x)
    e = benchmark * (_LEVEL**2 + 0.3**2 * kz + 0.04**2 * near("z", _RANGE)) + 0.2**2 * kz
    of_benchmark = _LEVEL**2 + 0.08**2 * xx + 0.08**2 * near("v", _RANGE) + 0.4**2 * ku + 0.05**2 * near("u", _RANGE)
    of_machine = 0.06**2 + 0.04**2 * xx + 0.05**2 * near("x", _MACHINE_RANGE)
    t = (
        0.1**2 * xx
        + 0.05**2 * near("v", _RANGE)
        + 0.3**2 * ku
        + benchmark * of_benchmark
        + accelerator * (0.5**2 + 0.03**2 * xx)
        + (accelerator & benchmark) * (0.1**2 + 0.03**2 * xx)
        + machine * 0.1**2
        + (machine & benchmark) * of_machine
        + same("submitter") * 0.05**2
        + (benchmark & same("round")) * 0.05**2
    )
    return e, np.asarray(t)


def predict_log_minutes(rows: Sequence[Measured], asked: Sequence[System]) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the standard deviation of ln minutes of systems, given measured ones, ``(m,)`` each."""
    from scipy.linalg import cho_factor, cho_solve

    systems = [row.system for row in rows]
    usual = _usual(systems)
    known, new = _features(systems, usual), _features(asked, usual)
    rate = np.array([np.nan if row.throughput is None else np.log(60 * row.throughput) for row in rows])
    told = np.flatnonzero(np.isfinite(rate))
    n = len(rows)
    e, t = _covariances(known, known)
    own_rate = _NOISE_T**2 * (np.arange(n)[:, None] == told[None, :])
    minutes_block = e + t + (_NOISE_E**2 + _NOISE_T**2) * np.eye(n)
    rate_block = t[np.ix_(told, told)] + (_NOISE_T**2 + _NOISE_R**2) * np.eye(len(told))
    across = -t[:, told] - own_rate
    whole = np.block([[minutes_block, across], [across.T, rate_block]])
    log_minutes = np.log([row.minutes for row in rows])
    level = float(np.median(rate[told] - known.trend_t[told])) if len(told) else 0.0
    left = np.concatenate([log_minutes - known.trend_e + known.trend_t, rate[told] - known.trend_t[told] - level])
    middle = float(np.median(left[:n]))
    left[:n] -= middle
    new_e, new_t = _covariances(new, known)
    near = np.hstack([new_e + new_t, -new_t[:, told]])
    factor = cho_factor(whole, lower=True)
    mean = middle + near @ cho_solve(factor, left) + new.trend_e - new.trend_t
    own_e, own_t = _covariances(new, new)
    variance = np.diag(own_e + own_t) + _NOISE_E**2 + _NOISE_T**2 - (near * cho_solve(factor, near.T).T).sum(1)
    return np.asarray(mean), np.sqrt(np.maximum(variance, 0.0))
