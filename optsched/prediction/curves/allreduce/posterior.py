"""Fit of one (model, GPU type): maximum a posteriori with a Laplace approximation.

The model is log T = f(x; theta) + correction(x) + noise with theta ~ N(mean, covariance) (the
prior, see ``transfer``), a Gaussian process for the correction, and Student noise by reweighting.
With the correction integrated out, theta is found by Gauss-Newton steps (Levenberg-Marquardt
damping) on residuals whitened by the joint covariance of correction and noise.
Source: Rasmussen & Williams 2006, eq. 2.41-2.42 (mean and variance with basis functions); Lange,
Little & Taylor, JASA 1989 (Student weights).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.allreduce.correction import (
    Bools,
    Kernel,
    Places,
    Shared,
    covariance,
    rows,
    shared_parts,
    variance,
)
from optsched.prediction.curves.allreduce.formula import Step, step
from optsched.prediction.curves.allreduce.measured import Measured
from optsched.prediction.curves.configurations import Points

# degrees of freedom of the Student noise: spikes of a whole step are common in shared clusters
FREEDOM = 4.0
# a row merged from many keeps this part of one row's variance: they share the run's conditions
COMMON_NOISE = 0.25
# the noise of a pair is pulled to the usual one, as if this many rows had shown that
NOISE_ROWS = 20.0


@dataclass(frozen=True)
class Prior:
    """What is believed before the first measurement.

    mean, covariance: of theta, (14,), (14, 14); kernel: of the correction; noise: standard
    deviation of the log of one measured step; shared: correction known from other pairs.
    """

    mean: FloatArray
    covariance: FloatArray
    kernel: Kernel = field(default_factory=Kernel)
    noise: float = 0.04
    shared: Shared | None = None


@dataclass(frozen=True)
class Posterior:
    """What is believed after the measurements.

    theta, covariance: (14,), (14, 14); noise: standard deviation of the log of one measured step;
    points, alone: the r rows (steps, then computations), (r,); residual: their log less formula and
    shared correction, (r,); spread: their noise variance, outliers with a large one, (r,); places:
    for the kernel; root: lower Cholesky factor of the rows' covariance, (r, r); jacobian: (r, 14);
    weights: of the correction's mean, (r,); evidence: log density of the rows.
    """

    kernel: Kernel
    theta: FloatArray
    covariance: FloatArray
    noise: float
    points: Points
    alone: Bools
    residual: FloatArray
    spread: FloatArray
    places: Places
    root: FloatArray
    jacobian: FloatArray
    weights: FloatArray
    shared: Shared | None
    evidence: float


@dataclass(frozen=True)
class _State:
    """A trial theta: the formula there, residuals (r,) and Jacobian (r, 14)."""

    theta: FloatArray
    at: Step
    residual: FloatArray
    jacobian: FloatArray


class _Problem:
    """Residuals of one fit as a function of theta; what does not depend on theta is kept."""

    def __init__(self, data: Measured, prior: Prior) -> None:
        self.points, self.alone = data.points, data.alone
        self.y, self.rate = data.log_time, data.rate
        self.kernel, self.mean = prior.kernel, prior.mean
        self.precision = np.linalg.inv(prior.covariance)
        first = self.rows(step(prior.mean, self.points, self.rate, jacobian=False))
        self.of_compute, self.of_sync = shared_parts(prior.kernel, prior.shared, first)

    def rows(self, at: Step) -> Places:
        return rows(self.kernel, self.points, self.alone, at)

    def state(self, theta: FloatArray) -> _State:
        at = step(theta, self.points, self.rate)
        share = np.where(self.alone, 1.0, at.compute_share)
        f = np.where(self.alone, at.log_compute, at.log_time)
        f += share * self.of_compute + (1.0 - share) * self.of_sync
        jacobian = np.where(self.alone[:, None], at.compute_jacobian, at.jacobian)
        return _State(theta, at, self.y - f, jacobian)

    def prior_cost(self, theta: FloatArray) -> float:
        d = theta - self.mean
        return float(d @ self.precision @ d)


def _independent(problem: _Problem, spread: FloatArray) -> tuple[_State, FloatArray]:
    """Near the mode from anywhere: Student residuals, correction as independent noise.

    Returns the state and the Student weights of the rows, in (0, 1].
    """
    now = problem.state(problem.mean)
    total = variance(problem.rows(now.at)) + spread

    def cost(s: _State) -> float:
        z2 = s.residual**2 / total
        return float((FREEDOM + 1) * np.log1p(z2 / FREEDOM).sum()) + problem.prior_cost(s.theta)

    value, damping = cost(now), 1e-2
    for _ in range(40):
        w = (FREEDOM + 1) / (FREEDOM + now.residual**2 / total) / total
        jw = now.jacobian * w[:, None]
        gradient = jw.T @ now.residual - problem.precision @ (now.theta - problem.mean)
        hessian = jw.T @ now.jacobian + problem.precision
        move = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
        trial = problem.state(now.theta + np.clip(move, -2.0, 2.0))
        new = cost(trial)
        if new < value:
            gain, now, value = value - new, trial, new
            damping = max(damping * 0.2, 1e-8)
            if gain < 1e-3:
                break
        else:
            damping *= 8.0
            if damping > 1e6:
                break
    return now, np.minimum(1.0, (FREEDOM + 1) / (FREEDOM + now.residual**2 / total))


def _whitened(problem: _Problem, now: _State, root: FloatArray) -> _State:
    """Up to three Gauss-Newton steps with correlated residuals, each only if it helps."""
    for _ in range(3):
        both = np.column_stack([now.residual, now.jacobian])
        white = solve_triangular(root, both, lower=True, check_finite=False)
        r, j = white[:, 0], white[:, 1:]
        value = float(r @ r) + problem.prior_cost(now.theta)
        hessian = j.T @ j + problem.precision
        gradient = j.T @ r - problem.precision @ (now.theta - problem.mean)
        gain = 0.0
        for damping in (0.0, 0.1, 1.0, 10.0, 100.0):
            damped = hessian + damping * np.diag(np.diag(hessian))
            move = np.linalg.solve(damped, gradient)
            trial = problem.state(now.theta + np.clip(move, -1.0, 1.0))
            r = solve_triangular(root, trial.residual, lower=True, check_finite=False)
            new = float(r @ r) + problem.prior_cost(trial.theta)
            if new < value:
                gain, now = value - new, trial
                break
        if gain < 0.01:
            break
    return now


def fit(data: Measured, prior: Prior) -> Posterior:
    """Posterior of the parameters and of the correction, given measurements and prior.

    Deterministic; works from no measurement at all (then it is the prior) upwards.
    """
    problem, sd = _Problem(data, prior), prior.noise
    thin = COMMON_NOISE + (1.0 - COMMON_NOISE) / data.count
    steps = ~data.alone
    spread = np.where(steps, sd**2 * thin, data.spread)
    now, weight = _independent(problem, spread)
    spread = np.where(steps, spread / weight, spread)
    for last in (False, False, True):
        here = problem.rows(now.at)
        c = covariance(prior.kernel, here, here)
        c[np.diag_indices_from(c)] += spread + 1e-10
        root = cholesky(c, lower=True, check_finite=False, overwrite_a=True)
        if last:
            break
        now = _whitened(problem, now, root)
        # outliers by their leave-one-out residual (Rasmussen & Williams 2006, eq. 5.12), and the
        # noise from what is left of each row (one EM step)
        inverse = cho_solve((root, True), np.eye(len(spread)), check_finite=False)
        alpha, diagonal = inverse @ now.residual, np.diag(inverse)
        weight = np.minimum(1.0, (FREEDOM + 1) / (FREEDOM + alpha**2 / diagonal))
        left = (spread * alpha) ** 2 + spread - spread**2 * diagonal
        # Student weights bound what one row adds to the noise
        shown = float(np.minimum(left * weight / thin, (FREEDOM + 1) * sd**2)[steps].sum())
        sd = float(np.sqrt((shown + NOISE_ROWS * sd**2) / (steps.sum() + NOISE_ROWS)))
        spread = np.where(steps, sd**2 * thin / weight, data.spread)
    return _posterior(problem, prior, now, sd, spread, here, root)


def _posterior(
    problem: _Problem,
    prior: Prior,
    now: _State,
    sd: float,
    spread: FloatArray,
    here: Places,
    root: FloatArray,
) -> Posterior:
    """Laplace approximation at the mode."""
    both = np.column_stack([now.residual, now.jacobian])
    white = solve_triangular(root, both, lower=True, check_finite=False)
    r, j = white[:, 0], white[:, 1:]
    hessian = j.T @ j + problem.precision
    cov = np.linalg.inv(hessian)
    evidence = -0.5 * (float(r @ r) + problem.prior_cost(now.theta) + len(r) * np.log(2 * np.pi))
    evidence -= float(np.log(np.diag(root)).sum())
    evidence += 0.5 * float(np.linalg.slogdet(problem.precision)[1] - np.linalg.slogdet(hessian)[1])
    weights = solve_triangular(root, r, lower=True, trans=1, check_finite=False)
    return Posterior(
        prior.kernel,
        now.theta,
        0.5 * (cov + cov.T),
        sd,
        problem.points,
        problem.alone,
        now.residual,
        spread,
        here,
        root,
        now.jacobian,
        weights,
        prior.shared,
        evidence,
    )
