"""Accuracy and convergence: what a batch size costs, how a run ends, when it arrives.

The frozen interface is what this module names; see ``docs/accuracy.md``.
"""

from __future__ import annotations

from optsched.prediction.convergence.batch_size import Needed
from optsched.prediction.convergence.efficiency import BestBatches, best_batches, efficiency, gain, noise_scale
from optsched.prediction.convergence.forecast import Forecast
from optsched.prediction.convergence.io import read_runs
from optsched.prediction.convergence.model import ArrivalExamples, Convergence, learn_convergence
from optsched.prediction.convergence.runs import Run
from optsched.prediction.convergence.staleness import Staleness, StalenessPrior, fit_staleness, learn_staleness

__all__ = [
    "ArrivalExamples",
    "BestBatches",
    "Convergence",
    "Forecast",
    "Needed",
    "Run",
    "Staleness",
    "StalenessPrior",
    "best_batches",
    "efficiency",
    "fit_staleness",
    "gain",
    "learn_convergence",
    "learn_staleness",
    "noise_scale",
    "read_runs",
]
