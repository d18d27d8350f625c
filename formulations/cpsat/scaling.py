"""Numbers as the integers that CP-SAT works with, so that bounds stay valid and sums stay safe."""

from __future__ import annotations

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError

__all__ = ["SAFE", "whole_amounts", "whole_values"]

SAFE = 2**30
"""Most that the coefficients of one row may sum to: CP-SAT 9.15 certifies wrong optima from 2**31 on."""


def whole_values(values: FloatArray) -> tuple[IntArray, float]:
    """Return values of either sign as integers, rounded up by a unit at most so that bounds stay bounds; and a unit."""
    total = float(np.abs(values).sum())
    unit = total / (SAFE - len(values)) if total > 0 else 1.0
    return np.ceil(values / unit * (1 - 1e-15)).astype(np.int64), unit


def whole_amounts(amounts: FloatArray, capacity: float) -> tuple[IntArray, int]:
    """Return amounts and a capacity as integers, exactly.

    Raises
    ------
    InputError
        Where they have more than six decimals.
    """
    for digits in range(7):
        scaled = amounts * 10**digits
        if np.all(np.abs(scaled - np.rint(scaled)) < 1e-9 * np.maximum(1.0, scaled)):
            return np.rint(scaled).astype(np.int64), int(np.floor(capacity * 10**digits + 1e-9))
    raise InputError("amounts of at most six decimals, which CP-SAT needs", value=str(amounts.max()))
