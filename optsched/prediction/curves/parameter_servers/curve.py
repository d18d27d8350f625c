"""Throughput with parameter servers as a curve that a file can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.prediction.curves.base import CurveBase, Positive
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.parameter_servers.form import FormBase
from optsched.prediction.curves.parameter_servers.forms import Form
from optsched.prediction.curves.parameter_servers.posterior import Anchor
from optsched.prediction.curves.parameter_servers.rows import Layout, distance

__all__ = ["ParameterServer", "linearized"]

_CHUNK = 8192  # points at a time: the recursion's arrays stay in the processor's cache
_MEMBERS = msgspec.Meta(min_length=1, max_length=8)


class ParameterServer(CurveBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="parameter-server"):
    """Training with parameter servers, synchronous or asynchronous as the members' forms say.

    With the members' forms ``f_i`` and their local corrections ``g_i``, and means over the members::

        ln throughput = mean(f_i + g_i)
        deviation^2   = inflation^2 (spread^2 + mean(variance_i) + var(f_i + g_i))

    ``g_i`` is the mean, and part of ``variance_i`` the variance, of a Gaussian process with covariance
    ``misfit^2 exp(-distance / length)`` given the residuals at the anchors (Rasmussen & Williams 2006,
    eq. 2.25 and 2.26, and 2.41 for the part of the parameters). Without posteriors, the members
    stand as they are. Configurations without servers are not covered (nan).

    members
        One form or several, whose disagreement tells how little is known far away.
    reference_gbps
        Network rate per node that was measured; None: unknown, so that an assigned rate makes the
        throughput unknown, too.
    inflation
        Factor on the deviation, learned by extrapolating other groups.
    """

    scaling: ClassVar[Literal["allreduce", "parameter_servers"] | None] = "parameter_servers"
    on_network: ClassVar[bool] = True

    members: Annotated[tuple[Form, ...], _MEMBERS]
    reference_gbps: Positive | None = None
    inflation: Positive = 1.0

    def throughput(self, points: Points) -> FloatArray:
        return self._evaluated(points, lambda at: np.exp(np.mean([_middle(m, at) for m in self.members], axis=0)))

    def rate_curvature(self, points: Points) -> FloatArray:
        # the local corrections depend on workers and servers only
        return np.full(len(points), np.mean([member.rate_curvature() for member in self.members]))

    def rate_rises(self, points: Points) -> NDArray[np.bool_]:
        # so do all forms, of which this is a geometric mean
        return np.ones(len(points), dtype=bool)

    def log_deviation(self, points: Points) -> FloatArray:
        def deviation(at: Layout) -> FloatArray:
            middles = np.var([_middle(m, at) for m in self.members], axis=0)
            own = np.mean([_variance(m, at) for m in self.members], axis=0)
            return np.asarray(self.inflation * np.sqrt(self.spread**2 + own + middles))

        return self._evaluated(points, deviation)

    def _evaluated(self, points: Points, rule: Callable[[Layout], FloatArray]) -> FloatArray:
        """Apply a rule where the curve covers the configuration; nan elsewhere."""
        at = Layout.of(points, self.reference_gbps)
        covered = (at.workers >= 1) & (at.servers >= 1) & (at.batch > 0) & (at.network > 0)
        result = np.full(len(at), np.nan)
        result[covered] = rule(at.take(covered))
        return result


@dataclass(frozen=True)
class _Solved:
    """The local correction of a member, ready to evaluate; ``n`` anchors."""

    anchors: Layout
    gain: FloatArray  # (n, n) inverse covariance of the anchors' residuals
    pull: FloatArray  # (n,) gain @ residual
    slope: FloatArray  # (n, P) jacobian at the anchors


@lru_cache(maxsize=512)
def _solved(member: Form) -> _Solved:
    posterior = member.posterior
    assert posterior is not None

    def column(name: str) -> FloatArray:
        return np.array([getattr(a, name) for a in posterior.anchors], dtype=np.float64)

    anchors = Layout(*(column(name) for name in Anchor.__struct_fields__[:4]))
    alike = posterior.misfit**2 * np.exp(-distance(anchors, anchors) / posterior.length)
    gain: FloatArray = np.asarray(np.linalg.inv(alike + np.diag(column("variance"))), dtype=np.float64)
    return _Solved(anchors, gain, gain @ column("residual"), linearized(type(member), member.vector(), anchors)[1])


def linearized(form: type[FormBase], z: FloatArray, at: Layout) -> tuple[FloatArray, FloatArray]:
    """Return ln rates ``(n,)`` and their Jacobian ``(n, P)`` by central differences, in one call."""
    step, count = 1e-4, len(z)
    moves = np.concatenate([np.zeros((1, count)), step * np.eye(count), -step * np.eye(count)])
    values = form.log_rate(z + moves, at)
    return values[0], (values[1 : count + 1] - values[count + 1 :]).T / (2 * step)


def _chunks(at: Layout) -> list[Layout]:
    return [at.take(np.arange(i, min(i + _CHUNK, len(at)))) for i in range(0, len(at), _CHUNK)]


def _pairs(at: Layout) -> tuple[Layout, IntArray]:
    """Return the distinct (workers, servers), which is all that the correction depends on, and where each is."""
    _, first, inverse = np.unique(at.workers + 1j * at.servers, return_index=True, return_inverse=True)
    return at.take(first), inverse.reshape(-1)


def _middle(member: Form, at: Layout) -> FloatArray:
    """Return ln throughput of one member."""
    z = member.vector()[None, :]
    value = np.concatenate([np.empty(0), *(member.log_rate(z, part)[0] for part in _chunks(at))])
    posterior = member.posterior
    if posterior is None or not posterior.anchors:
        return value
    solved = _solved(member)
    pairs, place = _pairs(at)
    near = [np.exp(-distance(part, solved.anchors) / posterior.length) @ solved.pull for part in _chunks(pairs)]
    return np.asarray(value + posterior.misfit**2 * np.concatenate([np.empty(0), *near])[place])


def _variance(member: Form, at: Layout) -> FloatArray:
    """Return the variance of one member's ln throughput."""
    posterior = member.posterior
    if posterior is None:
        return np.zeros(len(at))
    solved, covariance = _solved(member), np.array(posterior.covariance)
    pairs, place = _pairs(at)
    seen, local = [np.empty((0, len(covariance)))], [np.empty(0)]
    for part in _chunks(pairs):
        near = posterior.misfit**2 * np.exp(-distance(part, solved.anchors) / posterior.length)
        lean = near @ solved.gain  # how much the correction hears each anchor
        seen.append(lean @ solved.slope)
        local.append(np.maximum(posterior.misfit**2 - np.sum(lean * near, axis=1), 0.0))
    slopes = [linearized(type(member), member.vector(), part)[1] for part in _chunks(at)]
    sight = np.concatenate([np.empty((0, len(covariance))), *slopes]) - np.concatenate(seen)[place]
    return np.asarray(np.einsum("ip,pq,iq->i", sight, covariance, sight) + np.concatenate(local)[place])
