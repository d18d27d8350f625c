"""Sia's objective: powers of normalized goodputs, with a reward for each job that runs at all."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.instance.objectives.base import Objective, Rates

_GPUS = attrgetter("gpus")


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """p, not 0: the more negative, the fairer; and what a job that waits costs, lambda >= 0 (Sia's defaults)."""

    p: float = -0.5
    penalty: Annotated[float, msgspec.Meta(ge=0)] = 1.1


def value(rates: Rates, p: float, penalty: float) -> FloatArray:
    """Weight times ``penalty - G^p`` (p < 0) or ``penalty + G^p`` (p > 0).

    G is the goodput by the job's least, times its fewest GPUs, times the restart factor (T - N S) / (T + S) in
    all ways but what it holds now: T is its age, N its restarts so far and S what a restart takes. That factor
    replaces what the restart loses of this round.
    """
    goodput = rates.goodput / np.where(rates.share > 0, rates.share, 1.0)
    fewest = rates.of_job(lambda job: min(map(_GPUS, job.configurations), default=job.min_gpus))
    age = rates.instance.now_s - rates.of_job(lambda job: job.arrival_s)
    restart = rates.of_job(lambda job: job.restart_s)
    again = rates.of_job(lambda job: job.restarts)
    moves = ~rates.kept & (rates.of_job(lambda job: job.holds is not None) > 0) & (restart > 0)
    factor = np.where(moves, np.maximum(0.0, age - again * restart) / np.where(moves, age + restart, 1.0), 1.0)
    scaled = fewest * goodput / rates.reference * factor
    runs = (scaled > 0) & (rates.share > 0)
    power = np.where(runs, np.where(runs, scaled, 1.0) ** p, np.inf if p < 0 else 0.0)
    # a way worth nothing is as bad as waiting: it needs no number
    worth = np.maximum(penalty - power, -penalty) if p < 0 else penalty + power
    return np.asarray(rates.weight * worth)


def make(parameters: Parameters) -> Objective:
    """Return the objective of Sia (SOSP'23, sec. 3.4), as what running is worth over waiting.

    Sia chooses A in {0, 1} with at most one configuration a job to minimize, for p < 0,

        sum_i ( sum_j A_ij G_ij^p + lambda (1 - sum_j A_ij) ) = n lambda - sum_i sum_j A_ij (lambda - G_ij^p)

    so that maximizing the last sum is the same. For p > 0 it maximizes ``G^p``, and the penalty is subtracted.
    Weights are ours; Sia has none.
    """
    p, penalty = parameters.p, parameters.penalty
    if p == 0 or not np.isfinite(p):
        raise InputError("a power other than 0", path="$.objective.parameters.p", value=shown(p))
    return Objective(
        name="sia",
        meaning="sum over running jobs of weight x (lambda -+ (normalized goodput)^p), - for p < 0 and + for p > 0",
        source="Sia (SOSP'23, sec. 3.4)",
        unit="",
        value=lambda rates: value(rates, p, penalty),
        base="least",
    )
