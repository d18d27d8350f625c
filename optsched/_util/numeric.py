"""How gaps are measured."""

from __future__ import annotations

__all__ = ["relative"]

_MOST = 1e12


def relative(difference: float, value: float) -> float:
    """Return a difference as a part of how large a value is, at most 1e12: so large is any difference from 0."""
    if difference <= 0:
        return difference / max(1e-12, abs(value))
    return min(_MOST, difference / abs(value)) if value else _MOST
