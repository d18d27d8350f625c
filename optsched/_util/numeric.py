"""How gaps are measured."""

from __future__ import annotations

__all__ = ["relative"]


def relative(difference: float, value: float) -> float:
    """Return a difference as a part of how large a value is; of a value of 0 it is any number of times as large."""
    return difference / max(1e-12, abs(value))
