"""Robust fit of one form to the rows of one group, given a prior.

The measurements are modelled as::

    ln y = f(z, x) + g(x) + e,    z ~ N(mean, covariance),    g ~ GP(0, misfit^2 exp(-distance / length))

``g`` is the local correction: it pulls the curve onto what was measured, fades away from there, and
keeps the fit from being too sure of itself where nothing was measured. ``e`` has Student-t tails
(iterated weights: Lange, Little & Taylor, JASA 84, 1989), so that a spike does not bend a curve.

The prior comes from other groups (``transfer``); a form's own is only a wide hyperprior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.parameter_servers.curve import linearized
from optsched.prediction.curves.parameter_servers.form import FormBase
from optsched.prediction.curves.parameter_servers.posterior import Anchor, Posterior
from optsched.prediction.curves.parameter_servers.rows import Rows, distance

__all__ = ["TAIL", "Fit", "Prior", "fit_form", "wide_prior"]

TAIL = 5.0
"""Degrees of freedom of the noise: heavy tails, but still a variance to speak of."""

_ROUNDS = 4  # of weights; two are nearly enough


@dataclass(frozen=True)
class Prior:
    """What is believed of a group before it was measured.

    mean, covariance
        Of the form's numbers ``z``, shapes ``(P,)`` and ``(P, P)``.
    noise
        Scale of the Student-t noise of ln throughput between repetitions.
    misfit
        Standard deviation of the form's misfit.
    length
        Distance over which the misfit is alike.
    """

    mean: FloatArray
    covariance: FloatArray
    noise: float = 0.05
    misfit: float = 0.05
    length: float = 0.5


@dataclass(frozen=True)
class Fit:
    """The most probable ``z``, its covariance, and what the fit saw at its ``n`` rows: the Jacobian
    ``(n, P)``, the residuals and their variances ``(n,)``."""

    form: type[FormBase]
    rows: Rows
    prior: Prior
    z: FloatArray
    covariance: FloatArray
    jacobian: FloatArray
    residual: FloatArray
    variance: FloatArray

    def member(self) -> FormBase:
        """Return the form with its posterior, as a curve holds it."""
        at = self.rows.layout
        table = (at.workers, at.servers, at.batch * self.rows.unit, at.network, self.residual, self.variance)
        names = Anchor.__struct_fields__
        anchors = tuple(Anchor(**dict(zip(names, map(float, row), strict=True))) for row in zip(*table, strict=True))
        covariance = tuple(map(tuple, self.covariance.tolist()))
        known = Posterior(covariance=covariance, anchors=anchors, misfit=self.prior.misfit, length=self.prior.length)
        shift = np.log(self.rows.unit) * np.array(self.form.UNIT or 0.0)
        return self.form.of(self.z + shift, known)


def wide_prior(form: type[FormBase]) -> Prior:
    """Return the hyperprior: what to use when no other group is known."""
    width = np.array([p.width for p in form.PARAMETERS])
    return Prior(np.array([p.centre for p in form.PARAMETERS]), np.diag(width**2))


def fit_form(form: type[FormBase], rows: Rows, prior: Prior) -> Fit:
    """Fit by Gauss-Newton with Levenberg's damping, renewing the weights of the noise. Deterministic."""
    at, y = rows.layout, rows.log_rate
    precision: FloatArray = np.asarray(np.linalg.inv(prior.covariance), dtype=np.float64)
    misfit = prior.misfit**2 * np.exp(-distance(at, at) / prior.length)
    single = prior.noise**2 / rows.count
    weight = np.ones(len(rows))
    z = prior.mean.copy()
    z[0] -= float(np.median(y - form.log_rate(z[None, :], at)[0]))
    gain: FloatArray = np.empty((0, 0))
    for _ in range(_ROUNDS):
        gain = np.asarray(np.linalg.inv(misfit + np.diag(single / weight)), dtype=np.float64)
        z = _gauss_newton(form, rows, prior.mean, precision, gain, z)
        noise = single / weight * (gain @ (y - form.log_rate(z[None, :], at)[0]))
        weight = (TAIL + 1) / (TAIL + noise**2 / single)
    z = form.of(z).vector()  # within what a file can hold
    value, jacobian = linearized(form, z, at)
    covariance = np.linalg.inv(precision + jacobian.T @ gain @ jacobian)
    return Fit(form, rows, prior, z, (covariance + covariance.T) / 2, jacobian, y - value, single / weight)


def _gauss_newton(
    form: type[FormBase], rows: Rows, mean: FloatArray, precision: FloatArray, gain: FloatArray, z: FloatArray
) -> FloatArray:
    """Take damped Gauss-Newton steps on the log posterior from ``z`` until they gain nothing."""
    at, y = rows.layout, rows.log_rate

    def loss(candidates: FloatArray) -> FloatArray:
        residual, shift = y - form.log_rate(candidates, at), candidates - mean
        return np.asarray(np.sum((residual @ gain) * residual, axis=1) + np.sum((shift @ precision) * shift, axis=1))

    best = float(loss(z[None, :])[0])
    # one vectorized evaluation tries a whole ladder of dampings: cheaper than a careful single one
    ladder = 10.0 ** np.arange(-4.0, 4.5, 1.0)
    for _ in range(25):
        value, jacobian = linearized(form, z, at)
        curvature = jacobian.T @ gain @ jacobian + precision
        slope = jacobian.T @ gain @ (y - value) - precision @ (z - mean)
        damped = curvature + ladder[:, None, None] * np.diag(np.diag(curvature))
        steps = np.linalg.solve(damped, np.broadcast_to(slope, (len(ladder), len(z)))[..., None])[..., 0]
        candidates = z + np.clip(steps, -2.0, 2.0)
        losses = loss(candidates)
        losses = np.where(np.isfinite(losses), losses, np.inf)
        winner = int(np.argmin(losses))
        if losses[winner] >= best:
            break
        gained, best, z = best - float(losses[winner]), float(losses[winner]), candidates[winner]
        if gained < 1e-6 * (1 + abs(best)):
            break
    return z
