"""From the catalogue to advice: the measured rate of one GPU is a model's first measurement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from optsched.advise.catalogue import shipped
from optsched.advise.discover import MOVED, moved_rate
from optsched.errors import InputError
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fit import fit
from optsched.prediction.curves.fitted import CurveFile
from optsched.prediction.curves.measurements import Configured, Measurements

__all__ = ["in_catalogue", "with_catalogue"]


def in_catalogue(model: str) -> bool:
    """Tell whether the shipped catalogue has a model of this name."""
    return any(one.name == model for one in shipped())


def with_catalogue(
    curves: CurveFile, model: str, gpu_types: Sequence[str]
) -> tuple[CurveFile, tuple[str, ...], dict[str, float]]:
    """Return curves with those of a model of the catalogue that has none, where they come from, and how unsure that is.

    The last result is the standard deviation of the log of a rate that was moved to another GPU type, by type.

    The catalogue's rate of one GPU, moved to each GPU type by its memory bandwidth, is taken for a measurement; how the
    model scales over GPUs is what the other curves teach.

    Parameters
    ----------
    gpu_types
        Types that can be had; none: the one of the catalogue.
    """
    entry = next((one for one in shipped() if one.name == model), None)
    if entry is None or any(fitted.model == model for fitted in curves.curves):
        return curves, (), {}
    rows: list[tuple[str, float]] = []
    notes = []
    unsure = {}
    for gpu_type in dict.fromkeys(gpu_types or (entry.gpu_type,)):
        try:
            rate, moved = moved_rate(entry, gpu_type)
        except InputError:  # nothing is known of the type: the nearest model stands in
            continue
        rows.append((gpu_type, rate))
        if moved:
            unsure[gpu_type] = MOVED
        how = f"moved from {entry.gpu_type} by the memory bandwidth" if moved else f"measured on one {entry.gpu_type}"
        notes.append(f"{model} on {gpu_type}: the catalogue's rate, {how}; measure one row to be surer")
    if not rows:
        return curves, (), {}
    n = len(rows)
    batch = entry.batch or 1.0
    configured = Configured(
        [model] * n,
        [gpu_type for gpu_type, _ in rows],
        [""] * n,
        Points.of(np.ones(n), nodes=1.0, local_batch=batch),
        np.zeros(n, dtype=bool),
    )
    measured = Measurements(configured, np.array([rate for _, rate in rows]), np.full(n, np.nan))
    known = fit(measured, earlier=curves if curves.population else None, family="allreduce", cross_validate=False)
    own = tuple(fitted for fitted in known.curves if fitted.model == model)
    return replace(known, curves=(*curves.curves, *own), language_models=curves.language_models), tuple(notes), unsure
