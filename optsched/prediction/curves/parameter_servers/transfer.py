"""What other groups teach about a new one: empirical Bayes priors.

``learn_prior`` fits the groups already known and takes the mean and the spread of *their* parameters,
their noise and their misfit as the prior of the next: EM with the Laplace approximation of every
group's posterior (Efron & Morris, JASA 70, 1975; Dempster, Laird & Rubin 1977). What a form says is
shared by GPU types is taken from the same model on other types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.parameter_servers.fit import TAIL, Fit, Prior, fit_form, wide_prior
from optsched.prediction.curves.parameter_servers.form import FormBase
from optsched.prediction.curves.parameter_servers.rows import Rows, distance

__all__ = ["learn_prior"]

_HYPER_WEIGHT = 0.2  # weight of the hyperprior's spread, in groups
_ROUNDS = 6  # of EM; the means settle in three or four
_DRIFTS = np.array([0.01, 0.03, 0.1, 0.3, 1.0])
_LENGTHS = (0.25, 0.5, 1.0, 2.0)
_MISFITS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.15)
_NOISES = (0.01, 0.02, 0.035, 0.05, 0.075)


def learn_prior(form: type[FormBase], known: Sequence[Rows], model: str | None = None) -> Prior:
    """Return the prior of a new group from groups already measured.

    The spread of each parameter over the groups is pulled towards the hyperprior's as if a fifth of a
    group had it, so that two groups that happen to agree do not make a third one certain.

    Parameters
    ----------
    model
        The new group's model: the form's ``SHARED`` is then also taken from the same model on other
        GPU types.
    """
    wide = wide_prior(form)
    if not known:
        return wide
    width2 = np.diag(wide.covariance)
    prior, fits = wide, list[Fit]()
    for step in range(_ROUNDS):
        fits = [fit_form(form, rows, prior) for rows in known]
        z = np.array([f.z for f in fits])
        variance = np.array([np.diag(f.covariance) for f in fits])
        # the mean itself is pulled to the hyperprior's centre by as much as it is uncertain
        trust = width2 / (width2 + np.diag(prior.covariance) / len(fits))
        mean = trust * z.mean(axis=0) + (1 - trust) * wide.mean
        moment = ((z - mean) ** 2 + variance).sum(axis=0)
        between = (moment + width2 * _HYPER_WEIGHT) / (len(fits) + _HYPER_WEIGHT)
        prior = replace(prior, mean=mean, covariance=np.diag(between))
        if step in (1, _ROUNDS - 2):
            prior = _with_noise(prior, fits)
    between = np.diag(prior.covariance) * (1 + 1 / len(known))  # the mean is an estimate, too
    return _with_relatives(replace(prior, covariance=np.diag(between)), fits, model)


def _with_relatives(prior: Prior, fits: Sequence[Fit], model: str | None) -> Prior:
    """Condition the prior on what the same model showed on other GPU types.

    Each shared combination is a Gaussian observation: as sure as the relative's fit is, plus the
    drift between GPU types, itself estimated from the models known on several types.
    """
    for row in fits[0].form.SHARED:
        c = np.array(row)
        value = np.array([float(c @ f.z) for f in fits])
        variance = np.array([float(c @ f.covariance @ c) for f in fits])
        drift2 = _drift(fits, value, variance, float(c @ prior.covariance @ c))
        for i, fit in enumerate(fits):
            if fit.rows.model != model:
                continue
            along = prior.covariance @ c
            total = float(c @ along) + float(variance[i]) + 2 * drift2
            mean = prior.mean + along * (value[i] - float(c @ prior.mean)) / total
            prior = replace(prior, mean=mean, covariance=prior.covariance - np.outer(along, along) / total)
    return prior


def _drift(fits: Sequence[Fit], value: FloatArray, variance: FloatArray, between: float) -> float:
    """Return the variance of a shared quantity between GPU types of one model: maximum likelihood of the
    differences on a grid of shares of the variance between models (1 % if no pair says anything)."""
    score = np.zeros_like(_DRIFTS)
    for i, fit in enumerate(fits):
        for j in range(i):
            if fit.rows.model == fits[j].rows.model:
                total = variance[i] + variance[j] + 2 * _DRIFTS * between
                score -= 0.5 * (np.log(total) + (value[i] - value[j]) ** 2 / total)
    return float(_DRIFTS[int(np.argmax(score))] * between)


def _with_noise(prior: Prior, fits: Sequence[Fit]) -> Prior:
    """Set the noise, misfit and length that make the measurements most probable, on a small grid.

    The evidence is that of the linearized model: the parameters are integrated out, so that groups
    with few rows do not pretend to a small noise. It has Student-t tails: one odd group or spike
    must not raise everybody's noise.
    """
    spreads = [f.jacobian @ prior.covariance @ f.jacobian.T for f in fits]
    offs = [f.residual + f.jacobian @ (f.z - prior.mean) for f in fits]
    best, chosen = -np.inf, prior
    for length in _LENGTHS:
        shapes = [np.exp(-distance(f.rows.layout, f.rows.layout) / length) for f in fits]
        for misfit in _MISFITS:
            for noise in _NOISES:
                total = 0.0
                for fit, spread, shape, off in zip(fits, spreads, shapes, offs, strict=True):
                    root = np.linalg.cholesky(spread + misfit**2 * shape + np.diag(noise**2 / fit.rows.count))
                    white = np.linalg.solve(root, off)
                    total -= 0.5 * (TAIL + len(off)) * float(np.log1p(white @ white / TAIL))
                    total -= float(np.log(np.diag(root)).sum())
                if total > best:
                    best, chosen = total, replace(prior, noise=noise, misfit=misfit, length=length)
    return chosen
