"""Fitted curves with what they were fitted on, and their file format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from optsched._util.files import read, write_json
from optsched.errors import InputError, shown
from optsched.prediction.curves import Curve
from optsched.prediction.curves.allreduce.population import PopulationRecord
from optsched.prediction.curves.base import Name
from optsched.prediction.language_models.fitted import LanguageModels
from optsched.prediction.scaling_series.fitted import ScalingSeries

__all__ = ["CurveFile", "Fitted", "load_curves", "save_curves"]


class Fitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A curve, and what it was fitted on.

    variant
        How it trains (architecture, method, mode), where the table told such things apart.
    error, unseen_error
        Mean absolute percentage error of the throughput on the fit's own rows, and on rows held out
        in turn (cross-validation; None for too few rows), in percent.
    choice
        How its family was chosen.
    max_gpus, gpus_per_node, local_batches
        Most GPUs, most GPUs on a node, and least and most examples per GPU that were measured.
    """

    model: Name
    gpu_type: Name
    variant: str = ""
    curve: Curve
    rows: int
    error: float
    unseen_error: float | None
    choice: str
    max_gpus: int
    gpus_per_node: int
    local_batches: tuple[float, float]

    @property
    def name(self) -> str:
        """The name under which an instance lists it."""
        return "/".join(filter(None, (self.model, self.gpu_type, self.variant)))


class CurveFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of fitted curves.

    population
        What the curves taught of models and GPU types not measured yet.
    language_models
        A fit over architectures and parallelism plans, where such a table was fitted.
    scaling_series
        A fit of minutes to quality over numbers of accelerators, where such a table was fitted.
    """

    format: Literal["optsched-curves/1"] = "optsched-curves/1"
    source: str = ""
    curves: tuple[Fitted, ...] = ()
    population: PopulationRecord | None = None
    language_models: LanguageModels | None = None
    scaling_series: ScalingSeries | None = None


def load_curves(path: Path | str) -> CurveFile:
    """Read a file of fitted curves; raise InputError where it is wrong."""
    return read(path, CurveFile, _distinct)


def _distinct(file: CurveFile) -> None:
    """Raise InputError where two curves of a file have one name."""
    seen: set[str] = set()
    for number, fitted in enumerate(file.curves):
        if fitted.name in seen:
            raise InputError(
                "one curve for each model and GPU type", path=f"$.curves[{number}]", value=shown(fitted.name)
            )
        seen.add(fitted.name)


def save_curves(file: CurveFile, path: Path | str) -> None:
    """Write a file of fitted curves, whole or not at all."""
    write_json(path, file)
