"""The work of a training run: examples until it is done, at each batch size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.base import Z80

if TYPE_CHECKING:
    from optsched.prediction.convergence import Convergence

__all__ = ["PER_EXAMPLES", "Needed", "Work"]

PER_EXAMPLES = 1e6
"""Examples that times and costs are given for where the work is not known."""


@dataclass(frozen=True)
class Needed:
    """What the work takes at ``n`` batch sizes: examples, their log's standard deviation, progress per example."""

    examples: FloatArray
    deviation: FloatArray
    efficiency: FloatArray


@dataclass(frozen=True)
class Work:
    """The work: a number of examples at the reference batch, or a target that earlier runs reached.

    count
        Examples, at the efficiency of the reference batch.
    target
        Metric to reach, with ``convergence`` of earlier runs.
    known
        Whether the work was named; else times and costs are for ``count`` examples.
    """

    count: float = PER_EXAMPLES
    target: float | None = None
    convergence: Convergence | None = None
    known: bool = False

    @staticmethod
    def of(
        model: str, examples: float | None, target: float | None, runs: Path | None, smaller_is_better: bool = False
    ) -> Work:
        """Return the work that options name; ``smaller_is_better``: the model's metric is a loss.

        Raises
        ------
        InputError
            For a target without runs, runs without the model, or a target that no run reached.
        """
        if examples is not None and target is not None:
            raise InputError("either --target or --examples", path="--examples", value=shown(examples))
        if examples is not None and not 0 < examples < np.inf:
            raise InputError("a number of examples > 0", path="--examples", value=shown(examples))
        if runs is None:
            if target is not None:
                raise InputError("--convergence, the runs that tell how many examples it takes", path="--target")
            return Work() if examples is None else Work(examples, known=True)
        from optsched.prediction.convergence import learn_convergence, read_runs

        table = read_runs(runs, _losses(runs, model, smaller_is_better))
        if model not in table:
            expected = f"runs of model {model!r}; there are {', '.join(sorted(table)[:8])}"
            raise InputError(expected, path="column model", file=str(runs))
        known = learn_convergence(table, [model])[model]
        if target is not None:
            try:
                known.needed(target, [known.runs[0].base_batch])
            except ValueError:
                best = max(float(run.metric.max()) for run in known.runs) * known.sign
                expected = f"a target that a run of {model} reached; the best is {best:g}"
                raise InputError(expected, path="--target", value=f"{target:g}", file=str(runs)) from None
            return Work(target=target, convergence=known, known=True)
        return Work(PER_EXAMPLES if examples is None else examples, None, known, examples is not None)

    def examples(self, batches: FloatArray) -> Needed:
        """Return what the work takes at batch sizes."""
        n = len(batches)
        if self.convergence is None:
            return Needed(np.full(n, self.count), np.zeros(n), np.ones(n))
        tried, which = np.unique(np.where(np.isfinite(batches), batches, 1.0), return_inverse=True)
        rough, at = self._grid(tried)
        efficiency = np.exp(np.interp(np.log(tried), np.log(at), np.log(self.convergence.efficiency(at))))[which]
        if self.target is None:
            return Needed(self.count / efficiency, np.zeros(n), efficiency)
        needed = self.convergence.needed(self.target, rough)
        spread = np.log(needed.high / needed.low) / (2 * Z80)
        logs = np.log(tried), np.log(rough)
        examples = np.exp(np.interp(*logs, np.log(needed.examples)))[which]
        return Needed(examples, np.interp(*logs, spread)[which], efficiency)

    def _grid(self, tried: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return at most 60 batch sizes each for examples and efficiency; logs are interpolated between them."""
        if len(tried) <= 60:
            return tried, tried
        grid = np.geomspace(tried[0], tried[-1], 60)
        return grid, grid


def _losses(runs: Path, model: str, smaller_is_better: bool) -> set[str]:
    """Return the models whose metric is a loss: the one asked for by what was said, others by where most runs go.

    The others only teach how runs differ.
    """
    from optsched.prediction.tables import read_text_table

    table = read_text_table(runs, ["model", "global_batch", "epoch", "metric"])
    epoch, metric = table.numbers("epoch"), table.numbers("metric", least=-np.inf)
    members: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(table.names("model"), table.columns["global_batch"], strict=True)):
        members.setdefault(key, []).append(row)
    falls: dict[str, list[bool]] = {}
    for (name, _), rows in members.items():
        ordered = sorted(rows, key=lambda row: float(epoch[row]))
        falls.setdefault(name, []).append(bool(metric[ordered[-1]] < metric[ordered[0]]))
    found = {name for name, those in falls.items() if name != model and 2 * sum(those) > len(those)}
    return found | ({model} if smaller_is_better else set())
