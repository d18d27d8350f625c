"""Durations as people write them: ``90m``, ``6h``, ``1d12h``."""

from __future__ import annotations

import math
import re

from optsched.errors import InputError, shown

__all__ = ["duration", "seconds_of"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS = "weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s"
_PART = re.compile(rf"(\d+\.?\d*|\.\d+)\s*({_UNITS})?", re.IGNORECASE | re.ASCII)


def seconds_of(text: str, name: str = "duration") -> float:
    """Return the seconds of a duration such as ``6h``, ``90m``, ``2d`` or ``1h 30m``; a bare number is in seconds.

    Raises
    ------
    InputError
        For what is no duration greater than zero.
    """
    rest, total, units = text.strip(), 0.0, []
    while rest and (part := _PART.match(rest)):
        unit = (part[2] or "").lower()[:1]
        units.append(unit)
        total += float(part[1]) * _SECONDS[unit or "s"]
        rest = rest[part.end() :].strip()
    bare = "" in units and len(units) > 1
    if rest or bare or not units or not 0 < total < math.inf:
        raise InputError("a duration greater than zero, e.g. 90m, 6h or 2d", path=name, value=shown(text))
    return total


def duration(seconds: float) -> str:
    """Return a duration for people, to about two digits: ``45 s``, ``12 min``, ``6.5 h``, ``3.2 d``."""
    if not math.isfinite(seconds):
        return "unknown"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= (2 * size if unit == "d" else size):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
