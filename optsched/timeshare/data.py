"""Reading what users give for each job."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.timeshare.market import Market

__all__ = ["per_job", "per_type"]


def _checked(given: ArrayLike, size: int, path: str, of: str, positive: bool) -> FloatArray:
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("numbers", path=path, value=shown(given)) from None
    if array.shape not in ((), (size,)):
        raise InputError(f"one number, or one for each of {size} {of}", path=path, value=f"shape {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any() or (positive and (array == 0).any()):
        raise InputError(f"finite numbers {'>' if positive else '>='} 0", path=path)
    return np.array(np.broadcast_to(array, size))


def per_job(given: ArrayLike, market: Market, path: str, *, positive: bool = False) -> FloatArray:
    """Return numbers of shape ``(jobs,)``; raise InputError for others than finite ones >= 0 (or > 0)."""
    return _checked(given, market.jobs, path, "jobs", positive)


def per_type(given: ArrayLike, market: Market, path: str, *, positive: bool = False) -> FloatArray:
    """Return numbers of shape ``(types,)``; raise InputError for others than finite ones >= 0 (or > 0)."""
    return _checked(given, market.types, path, "GPU types", positive)
