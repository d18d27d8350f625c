"""Predict the iteration time of plans, with its 80 % interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.base import Z80
from optsched.prediction.language_models.coefficients import design
from optsched.prediction.language_models.fitted import LanguageModels
from optsched.prediction.language_models.formula import jacobian, log_seconds
from optsched.prediction.language_models.plans import Plans
from optsched.prediction.language_models.residual import NOISE, covariance, noise_variance, prior_variance
from optsched.prediction.language_models.terms import terms_of
from optsched.prediction.language_models.train import Posterior, restored

__all__ = ["predict"]

_UNMEASURED = 0.15
"""Standard deviation of the formula's logarithm where no row of the fit is known."""


def predict(models: LanguageModels, plans: Plans) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the seconds of an iteration, and the ends of their 80 % interval, shape ``(n,)`` each.

    The formula at its most probable parameters, times what the Gaussian process learnt of its residual. The variance is
    that of the linearized formula and the residual together, given all measured rows. A fit without rows, as the one
    that is shipped, predicts by its formula alone, with a wide interval.
    """
    from scipy.linalg import cho_factor, cho_solve

    levels = {(name, factor): names for name, factor, names in models.levels}
    if not models.rows:
        log = log_seconds(np.array(models.parameters), terms_of(plans), design(plans, levels))
        reach = models.stretch * Z80 * np.sqrt(prior_variance(plans) + _UNMEASURED**2)
        return np.exp(log), np.exp(log - reach), np.exp(log + reach)
    known = restored(models)
    asked = _with_source(plans, known)
    base, slope = jacobian(known.parameters, terms_of(asked), design(asked, levels))
    fitted, slopes = jacobian(known.parameters, known.terms, known.design)
    own = covariance(known.plans, known.plans)
    noise = np.diag(noise_variance(known.plans) + known.extra)
    near = covariance(asked, known.plans)
    mean = base + near @ cho_solve(cho_factor(own + noise, lower=True), known.log_seconds - fitted)
    together = near + slope @ slopes.T
    explained = cho_solve(cho_factor(own + noise + slopes @ slopes.T, lower=True), together.T)
    variance = prior_variance(asked) + (slope**2).sum(1) - (together * explained.T).sum(1)
    reach = models.stretch * Z80 * np.sqrt(np.maximum(variance, 0.0) + NOISE**2)
    return np.exp(mean), np.exp(mean - reach), np.exp(mean + reach)


def _with_source(plans: Plans, known: Posterior) -> Plans:
    """Give plans without a source the one under which their model, or else their GPU type, was measured last."""
    if np.all(plans.source != ""):
        return plans
    last: dict[str, tuple[str, str]] = {}
    measured = known.plans
    for k in np.lexsort((measured.release, measured.source)).tolist():
        for key in (f"model {measured.model[k]}", f"gpu {measured.gpu[k]}", ""):
            last[key] = (str(measured.source[k]), str(measured.release[k]))
    found = []
    for model, gpu, source, release in zip(plans.model, plans.gpu, plans.source, plans.release, strict=True):
        guess = last.get(f"model {model}") or last.get(f"gpu {gpu}") or last.get("", ("", ""))
        found.append((source, release) if source else guess)
    return replace(plans, source=np.array([s for s, _ in found]), release=np.array([r for _, r in found]))
