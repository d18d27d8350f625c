"""Accuracy and convergence: what a batch size costs, how a run ends, when it arrives.

The frozen interface is what this module names; see ``docs/accuracy.md``.
"""

from __future__ import annotations

from optsched.convergence.batches import Needed
from optsched.convergence.efficiency import BestBatches, best_batches, efficiency, gain, noise_scale
from optsched.convergence.forecast import Forecast
from optsched.convergence.model import ArrivalExamples, Convergence, learn_convergence
from optsched.convergence.reading import read_runs
from optsched.convergence.runs import Run
from optsched.convergence.staleness import Staleness, StalenessPrior, fit_staleness, learn_staleness

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
