"""How value and bound went on over time: the points of a search at which one of the two got better."""

from __future__ import annotations

from collections.abc import Iterable

from optsched.instance.result import Trace

__all__ = ["agreeing", "thinned"]

_MOST_POINTS = 200
"""Points of a trace that are kept."""


def thinned(points: Iterable[tuple[float, float | None, float | None]], sign: float) -> Trace:
    """Return where the best value or the bound got better, thinned out evenly where there are very many.

    Parameters
    ----------
    points
        Seconds, value and bound, as a search reported them.
    sign
        1 where more of the objective is better, -1 where less is.
    """
    kept: list[tuple[float, float | None, float | None]] = []
    value: float | None = None
    bound: float | None = None
    for seconds, more, less in sorted(points, key=lambda point: point[0]):
        before = value, bound
        if more is not None and (value is None or sign * more > sign * value):
            value = more
        if less is not None and (bound is None or sign * less < sign * bound):
            bound = less
        if (value, bound) != before:
            moment = int(1e6 * seconds) / 1e6
            if kept and kept[-1][0] == moment:
                kept.pop()
            kept.append((moment, value, bound))
    steps = -(-len(kept) // _MOST_POINTS) if kept else 1
    return tuple(kept[::-1][::steps][::-1])


def agreeing(
    points: Iterable[tuple[float, float | None, float | None]], value: float | None, bound: float | None, sign: float
) -> Trace:
    """Return a trace without claims that its end does not hold: better values or tighter bounds were not believed.

    Parameters
    ----------
    value, bound
        Of the result, once checked.
    sign
        As for :func:`thinned`.
    """
    kept = [
        (
            seconds,
            more if more is None or value is None or sign * more <= sign * value else None,
            less if less is None or bound is None or sign * less >= sign * bound else None,
        )
        for seconds, more, less in points
    ]
    last = max((point[0] for point in kept), default=0.0)
    return thinned([*kept, (last, value, bound)], sign)
