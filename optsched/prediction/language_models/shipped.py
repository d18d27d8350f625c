"""The fit that is shipped: coefficients without rows, for those who have measured nothing yet."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from optsched._util.files import decode
from optsched.prediction.language_models.fitted import LanguageModels

__all__ = ["shipped"]


@cache
def shipped() -> LanguageModels:
    """Return the coefficients that were fitted to published training times.

    Sources: vTrain (Bang et al., MICRO 2024), the tables of MosaicML's llm-foundry, and NVIDIA's performance tables of
    Megatron Bridge (25.09 to 26.06); coefficients and effects only, no rows.
    """
    file = files("optsched.prediction.language_models").joinpath("shipped.json")
    return decode(file.read_bytes(), LanguageModels, "shipped.json")
