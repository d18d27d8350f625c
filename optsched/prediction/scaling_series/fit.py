"""Fit scaling series: sort out throughputs that contradict the minutes, and learn how far intervals must reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from optsched.prediction.curves.base import Z80
from optsched.prediction.scaling_series.fitted import Measured, ScalingSeries
from optsched.prediction.scaling_series.process import examples_trend, predict_log_minutes

__all__ = ["agreeing", "fit", "series_of"]

_OFF = 0.35
"""Log of the ratio between the examples that a throughput implies and its benchmark's beyond which it is left out."""
_STRETCH, _WEIGHT = 1.1, 8.0
"""Factor on deviations of intervals that public results need, and as how many predictions of one's own it counts."""


def fit(rows: Sequence[Measured], report: Callable[[str], None] | None = None) -> ScalingSeries:
    """Return a fit of measured systems; the largest size of each series is predicted from all other rows."""
    kept = agreeing(rows)
    series = series_of(kept)
    errors, scores = [], []
    for number, (small, largest) in enumerate(series.values(), start=1):
        if report is not None:
            report(f"predicting the largest of series {number} of {len(series)} from the others")
        hidden = {*largest, *_copies(kept, largest)}
        rest = [row for k, row in enumerate(kept) if k not in hidden]
        if not small or not rest:
            continue
        mean, deviation = predict_log_minutes(rest, [kept[k].system for k in largest])
        off = mean - np.log([kept[k].minutes for k in largest])
        errors.append(float(np.mean(np.abs(np.expm1(off)))))
        scores += (np.abs(off) / deviation).tolist()
    own = float(np.quantile(scores, 0.8)) / Z80 if scores else _STRETCH
    n = len(scores)
    stretch = float(np.exp((n * np.log(max(own, 0.5)) + _WEIGHT * np.log(_STRETCH)) / (n + _WEIGHT)))
    unseen = 100 * float(np.median(errors)) if errors else None
    return ScalingSeries(rows=kept, stretch=stretch, unseen_error=unseen, series=len(series))


def agreeing(rows: Sequence[Measured]) -> tuple[Measured, ...]:
    """Return rows without the throughputs that contradict their minutes.

    Minutes times throughput are the examples to the quality, which depend on the benchmark and its batch alone; some
    published throughputs are of one accelerator, or of another phase.
    """
    found = list(rows)
    for benchmark in {row.system.benchmark for row in rows}:
        own = [k for k, row in enumerate(rows) if row.system.benchmark == benchmark and row.throughput]
        if not own:
            continue
        batches = np.log2([rows[k].system.global_batch for k in own])
        told = np.log([rows[k].minutes * (rows[k].throughput or 1.0) for k in own])
        level = told - examples_trend(batches - np.median(batches))
        for k, off in zip(own, np.abs(level - np.median(level)), strict=True):
            if off > _OFF:
                found[k] = replace(found[k], throughput=None)
    return tuple(found)


def series_of(rows: Sequence[Measured]) -> dict[tuple[str, ...], tuple[list[int], list[int]]]:
    """Return the rows of each series of at least three sizes: those of smaller sizes, and those of the largest.

    A series is of one round, submitter, benchmark and type of accelerator.
    """
    grouped: dict[tuple[str, ...], list[int]] = {}
    for k, row in enumerate(rows):
        s = row.system
        grouped.setdefault((s.round, s.submitter, s.benchmark, s.accelerator or s.machine), []).append(k)
    found = {}
    for key, members in grouped.items():
        sizes = sorted({rows[k].system.accelerators for k in members})
        if len(sizes) >= 3:
            most = [k for k in members if rows[k].system.accelerators == sizes[-1]]
            found[key] = ([k for k in members if k not in most], most)
    return found


def _copies(rows: Sequence[Measured], hidden: Sequence[int]) -> set[int]:
    """Return rows that are the same result as one that is hidden, submitted again in another round."""
    results = {_result(rows[k]) for k in hidden}
    return {k for k, row in enumerate(rows) if _result(row) in results}


def _result(row: Measured) -> tuple[str, str, int, float]:
    return row.system.benchmark, row.system.machine, row.system.accelerators, row.minutes
