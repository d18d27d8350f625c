"""Fit language models, and calibrate their intervals on models held out in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.language_models.fitted import LanguageModels
from optsched.prediction.language_models.plans import Plans
from optsched.prediction.language_models.predict import predict
from optsched.prediction.language_models.terms import terms_of
from optsched.prediction.language_models.train import thinned, train

__all__ = ["fit"]

_GROUPS = 8
"""Most groups of models that are held out to calibrate intervals."""


def fit(
    plans: Plans,
    records: Sequence[dict[str, Any]],
    seconds: FloatArray,
    report: Callable[[str], None] | None = None,
) -> LanguageModels:
    """Fit language models, and calibrate their intervals on models held out in turn.

    Raises
    ------
    InputError
        For a time that no plan can have: a thousand times as fast as its GPUs.
    """
    _plausible(plans, seconds)
    whole = train(plans, records, seconds)
    middle, *_ = predict(whole, plans)
    groups = _held_out(plans)
    misses, errors = [], []
    for number, rows in enumerate(groups if len(groups) > 1 else []):
        if report is not None:
            report(f"holding out models, {number + 1} of {len(groups)}")
        rest = ~rows
        rest[np.setdiff1d(np.arange(len(plans)), thinned(plans))] = False
        part = train(plans.take(rest), [r for r, k in zip(records, rest.tolist(), strict=True) if k], seconds[rest])
        there, low, high = predict(part, plans.take(rows))
        reach = np.log(high / low) / 2
        misses.append(np.abs(np.log(there / seconds[rows])) / np.maximum(reach, 1e-9))
        errors.append(np.abs(there / seconds[rows] - 1))
    if not misses:
        return replace(whole, error=_percent(middle, seconds))
    # each group counts alike: the stretch at which four fifths of its rows are inside
    stretch = float(np.clip(np.median([np.quantile(group, 0.8) for group in misses]), 0.5, 2.0))
    unseen = 100 * float(np.mean([np.mean(group) for group in errors]))
    return replace(whole, error=_percent(middle, seconds), stretch=stretch, unseen_error=unseen)


def _percent(predicted: FloatArray, seconds: FloatArray) -> float:
    return 100 * float(np.mean(np.abs(predicted / seconds - 1)))


def _plausible(plans: Plans, seconds: FloatArray) -> None:
    terms = terms_of(plans)
    least = terms.passes * terms.layers_per_stage * (terms.dense + terms.experts) / plans.speedup
    wrong = np.flatnonzero(seconds < least / 1000)
    if len(wrong):
        k = int(wrong[0])
        expected = f"seconds of an iteration (at the peak rate of its GPUs it takes {least[k]:.3g})"
        raise InputError(expected, path=f"line {k + 2}, column iteration_s", value=shown(float(seconds[k])))


def _held_out(plans: Plans) -> list[Any]:
    """Return the rows of each group of models that are held out together, shape ``(n,)`` each."""
    names = sorted(set(plans.model.tolist()))
    counts = {name: int((plans.model == name).sum()) for name in names}
    chosen = sorted(names, key=lambda name: (-counts[name], name))[:_GROUPS]
    some = np.isin(np.arange(len(plans)), thinned(plans))
    return [(plans.model == name) & some for name in chosen] if len(names) > 1 else []
