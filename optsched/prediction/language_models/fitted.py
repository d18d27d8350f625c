"""What a fit of language models keeps: its rows, their times, and the parameters of the formula."""

from __future__ import annotations

from typing import Any

import msgspec

from optsched.prediction.curves.base import NonNegative, Positive

__all__ = ["LanguageModels"]


class LanguageModels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fit of iteration times over architectures, plans and GPU types.

    rows
        The measured plans, by the names of their columns.
    seconds
        Measured iteration time of each (s).
    extra
        Variance of the logarithm that each row has beyond the usual noise: more than 0 for outliers.
    levels
        Levels of the effects, by coefficient and factor.
    parameters
        Logarithms of the coefficients and the effects on them.
    stretch
        Factor on the standard deviation of predictions, from rows held out by groups.
    error, unseen_error
        Mean absolute percentage error of the fit, and the mean over models held out in turn (None with fewer than
        two).
    """

    rows: tuple[dict[str, Any], ...]
    seconds: tuple[Positive, ...]
    extra: tuple[NonNegative, ...]
    levels: tuple[tuple[str, str, tuple[str, ...]], ...]
    parameters: tuple[float, ...]
    stretch: Positive = 1.0
    error: NonNegative = 0.0
    unseen_error: NonNegative | None = None
