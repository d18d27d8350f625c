"""What throughput comes to in training: goodput, and the time to a target."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence.io import read_runs
from optsched.prediction.convergence.model import learn_convergence
from optsched.prediction.curves.measurements import Configured

__all__ = ["goodput_columns"]


def goodput_columns(
    runs: Path, configured: Configured, throughput: FloatArray, target: float | None, smaller_is_better: Collection[str]
) -> dict[str, FloatArray]:
    """Return further columns for a table of predictions, each ``(n,)``, nan for models without runs.

    ``predicted_efficiency``: progress per example, relative to the smallest batch that was run;
    ``predicted_goodput_examples_s``: throughput times efficiency; and with a target
    ``predicted_examples_to_target`` and ``predicted_time_to_target_s`` with ``_low`` and ``_high`` (80 %).

    Parameters
    ----------
    runs
        CSV table of earlier runs (see ``read_runs``).
    target
        Metric to reach; None: no times. Where no earlier run reached it, they are nan.
    smaller_is_better
        Models whose metric is a loss.

    Raises
    ------
    InputError
        For a table that is wrong.
    """
    known = learn_convergence(read_runs(runs, smaller_is_better))
    n = len(configured.points)
    efficiency, examples = np.full(n, np.nan), np.full((3, n), np.nan)
    batches = configured.points.examples()
    for model in sorted(set(configured.model) & set(known)):
        rows = np.array([number for number, other in enumerate(configured.model) if other == model])
        tried, which = np.unique(batches[rows], return_inverse=True)
        efficiency[rows] = known[model].efficiency(tried)[which]
        if target is not None:
            try:
                needed = known[model].needed(target, tried)
            except ValueError:  # no run of the model reached it
                continue
            examples[:, rows] = np.stack([needed.examples, needed.low, needed.high])[:, which]
    columns = {"predicted_efficiency": efficiency, "predicted_goodput_examples_s": throughput * efficiency}
    if target is not None:
        for end, of in zip(("", "_low", "_high"), examples, strict=True):
            columns[f"predicted_examples_to_target{end}"] = of
            columns[f"predicted_time_to_target_s{end}"] = of / throughput
    return columns
