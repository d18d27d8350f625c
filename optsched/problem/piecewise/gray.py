"""Binary codes in which neighbours differ in one bit (Gray, US patent 2632058, 1953)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray

__all__ = ["bits", "gray", "length"]


def gray(number: IntArray) -> IntArray:
    """Return the reflected Gray code of each number >= 0."""
    return number ^ (number >> 1)


def length(count: IntArray) -> IntArray:
    """Return how many bits tell ``count`` things apart: ``ceil(log2(count))``, 0 for a single one."""
    return np.frexp(np.asarray(count, dtype=np.float64) - 1)[1].astype(np.int64)


def bits(code: IntArray, width: int) -> NDArray[np.bool_]:
    """Return the lowest bits of each code, lowest first; shape ``(len(code), width)``."""
    found: NDArray[np.bool_] = (code[:, None] >> np.arange(width)) & 1 == 1
    return found
