"""The most probable coefficients of the formula, given measured iteration times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.prediction.language_models.coefficients import Design, design
from optsched.prediction.language_models.fitted import LanguageModels
from optsched.prediction.language_models.formula import jacobian, log_seconds
from optsched.prediction.language_models.plans import Plans, plans_of, read_plans
from optsched.prediction.language_models.residual import covariance, noise_variance
from optsched.prediction.language_models.terms import Terms, terms_of

__all__ = ["Posterior", "fit_parameters", "iteration_seconds", "read_measured", "restored", "thinned", "train"]

_MOST_STEPS = 30
_SETTLED = 1e-3
"""Relative decrease of the objective at which the search for parameters ends."""
_FAR = 3.0
"""Standard deviations from which on a row, held out, counts as an outlier."""
_ALIKE = 0.5
"""Correlation from which on two rows are alike."""
_JUDGED = 4
"""Most rounds of judging outliers."""
_ROBUST = (4, 8)
"""Steps after which outliers are looked for."""
_MOST_ROWS = 120
"""Most rows of one model and release that the search for parameters uses."""


@dataclass(frozen=True)
class Posterior:
    """A fit in memory.

    plans, terms, design
        The measured plans, their terms, and which effects act on them.
    parameters
        Most probable parameters.
    log_seconds
        Logarithms of the measured times, shape ``(n,)``.
    extra
        Further variance of outliers, shape ``(n,)``.
    """

    plans: Plans
    terms: Terms
    design: Design
    parameters: FloatArray
    log_seconds: FloatArray
    extra: FloatArray


def iteration_seconds(table: Any, plans: Plans, file: str) -> FloatArray:
    """Return the measured seconds of an iteration, from ``iteration_s`` or ``tokens_s_gpu``, shape ``(n,)``."""
    import polars as pl

    seconds = np.full(len(plans), np.nan)
    for name in ("iteration_s", "tokens_s_gpu"):
        if name in table.columns:
            column = table[name].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
            values = column.fill_null(np.nan).to_numpy().astype(np.float64)
            times = values if name == "iteration_s" else plans.global_batch * plans.seq / (plans.gpus * values)
            seconds = np.where(np.isnan(seconds), times, seconds)
    if not np.all(np.isfinite(seconds) & (seconds > 0)):
        line = int(np.flatnonzero(~(np.isfinite(seconds) & (seconds > 0)))[0]) + 2
        raise InputError("iteration_s or tokens_s_gpu, a number > 0", path=f"line {line}", value="nothing", file=file)
    return seconds


def read_measured(path: Any) -> tuple[Plans, list[dict[str, Any]], FloatArray]:
    """Read a table of measured plans; return the plans, their records, and seconds of an iteration ``(n,)``."""
    from optsched.prediction.curves.measurements import read_table

    table = read_table(path, ["gpu_type", "gpus", "seq", "global_batch"])
    plans, records = read_plans(table, str(path))
    return plans, records, iteration_seconds(table, plans, str(path))


def fit_parameters(plans: Plans, seconds: FloatArray) -> Posterior:
    """Return the most probable parameters, by damped Gauss-Newton steps on the whitened residual.

    The residual's covariance is that of :mod:`~optsched.prediction.language_models.residual`, so that many rows of one
    model do not outweigh the rest. Rows that miss their prediction from all others by more than three standard
    deviations get that much more variance (a robust fit by inflated noise).
    """
    from scipy.linalg import cho_factor, cho_solve

    terms, on, y = terms_of(plans), design(plans), np.log(seconds)
    prior, extra = covariance(plans, plans) + np.diag(noise_variance(plans)), np.zeros(len(plans))
    z, damping = np.zeros(len(on.deviation)), 1.0
    factor = cho_factor(prior, lower=True)

    def objective(at: FloatArray, f: Any) -> float:
        r = y - log_seconds(on.center + at * on.deviation, terms, on)
        return float(r @ cho_solve(f, r) + at @ at)

    value = objective(z, factor)
    for step in range(_MOST_STEPS):
        base, j = jacobian(on.center + z * on.deviation, terms, on)
        weighted = cho_solve(factor, j)
        gradient = weighted.T @ (y - base) - z
        settled = True
        for _ in range(8):
            moved = z + np.linalg.solve(j.T @ weighted + (1 + damping) * np.eye(len(z)), gradient)
            reached = objective(moved, factor)
            if reached < value:
                settled = value - reached < _SETTLED * abs(value)
                z, value, damping = moved, reached, max(damping / 4, 1e-6)
                break
            damping *= 4
        if step in _ROBUST:
            extra = _outliers(prior, y - log_seconds(on.center + z * on.deviation, terms, on))
            factor = cho_factor(prior + np.diag(extra), lower=True)
            value = objective(z, factor)
        elif settled and step > max(_ROBUST):
            break
    return Posterior(plans, terms, on, on.center + z * on.deviation, y, extra)


def _outliers(prior: FloatArray, residual: FloatArray) -> FloatArray:
    """Return the further variance of rows that miss their prediction from all others, shape ``(n,)``.

    Predictions from all other rows follow from the inverse of the covariance (Rasmussen and Williams 2006, eq. 5.12).
    Of rows that are alike the worst is judged first, since it spoils what is predicted for the others.
    """
    from scipy.linalg import cho_factor, cho_solve

    scale = np.sqrt(np.diag(prior))
    alike = prior / np.outer(scale, scale) > _ALIKE
    extra = np.zeros(len(residual))
    for _ in range(_JUDGED):
        factor = cho_factor(prior + np.diag(extra), lower=True)
        precision = np.diag(cho_solve(factor, np.eye(len(residual))))
        missed = cho_solve(factor, residual) / precision
        far = np.where(extra > 0, 0.0, np.abs(missed) * np.sqrt(precision))
        worst = (far > _FAR) & (far >= np.where(alike, far[None, :], 0.0).max(1))
        if not worst.any():
            break
        extra[worst] = missed[worst] ** 2
    return extra


def thinned(plans: Plans) -> IntArray:
    """Return rows that are enough for the parameters: of each model and release evenly spaced ones, if it has many."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for k, key in enumerate(zip(plans.model.tolist(), plans.source.tolist(), plans.release.tolist(), strict=True)):
        groups.setdefault(key, []).append(k)
    chosen = [
        np.array(rows)[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(int)]
        for rows in groups.values()
    ]
    return np.sort(np.concatenate(chosen))


def train(plans: Plans, records: Sequence[dict[str, Any]], seconds: FloatArray) -> LanguageModels:
    """Return the fit of plans without calibration of its intervals."""
    some = thinned(plans)
    found = fit_parameters(plans.take(some), seconds[some])
    levels = tuple((name, factor, names) for (name, factor), names in found.design.levels.items())
    residual = np.log(seconds) - log_seconds(found.parameters, terms_of(plans), design(plans, found.design.levels))
    extra = _outliers(covariance(plans, plans) + np.diag(noise_variance(plans)), residual)
    return LanguageModels(
        rows=tuple(records),
        seconds=tuple(seconds.tolist()),
        extra=tuple(extra.tolist()),
        levels=levels,
        parameters=tuple(found.parameters.tolist()),
    )


def restored(models: LanguageModels) -> Posterior:
    """Return the posterior of a fit that was stored."""
    plans = plans_of(models.rows)
    levels = {(name, factor): names for name, factor, names in models.levels}
    return Posterior(
        plans,
        terms_of(plans),
        design(plans, levels),
        np.array(models.parameters),
        np.log(np.array(models.seconds)),
        np.array(models.extra),
    )
