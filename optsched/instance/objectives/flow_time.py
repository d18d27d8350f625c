"""Flow time: the average completion time, by what each job's remaining work is worth next to the others'."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError
from optsched.instance.objectives.base import Objective, Rates

Part = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much small jobs come first, how rates are normalized, and how long a restart has to pay off.

    b
        Exponent of the speed-up ``k^b`` behind the ranks' weights, in [0, 1).
    e
        Part of a job's most goodput in what its rates are divided by, where there are GPUs for all; less under load.
    horizon_s, horizon_restarts
        A restart is amortized over the time to finish, and over at most this long: seconds, or a number of restarts.
    """

    b: Part = 0.3
    e: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.65
    horizon_s: Annotated[float, msgspec.Meta(gt=0)] = 900.0
    horizon_restarts: Annotated[float, msgspec.Meta(gt=1)] = 10.0


def rank_weights(work: FloatArray, b: float) -> FloatArray:
    """Return ``(i^(1/(1-b)) - (i-1)^(1/(1-b)))^(1-b)``, i the number of jobs with at least as much work left.

    The value function of heSRPT (Berg, Vesilo and Harchol-Balter, Performance Evaluation 142 (2020), theorem 3), for
    jobs that speed up as ``k^b`` on ``k`` GPUs. The job with the most work has weight 1.

    Parameters
    ----------
    work
        Shape ``(jobs,)``.
    """
    i = len(work) - np.searchsorted(np.sort(work), work, side="left").astype(np.float64)
    power = 1.0 / (1.0 - b)
    return np.asarray((i**power - (i - 1) ** power) ** (1.0 - b))


def damping(
    finish: FloatArray, restart: FloatArray, restarts: FloatArray, age: FloatArray, horizon_s: float, times: float
) -> FloatArray:
    """Return what is left of a way's worth if a job moves to it: shape of ``finish``, in [0, 1].

    The lesser of ``1 - S / min(t + S, max(horizon_s, times S))``, S being the seconds of a restart and t those to
    finish, and Sia's factor ``(T - N S) / (T + S)`` after N restarts at age T (SOSP'23, sec. 3.3). 1 without restarts.
    """
    costs = restart > 0
    cost = np.where(costs, restart, 1.0)
    soon = 1.0 - cost / np.minimum(finish + cost, np.maximum(horizon_s, times * cost))
    often = (age - restarts * cost) / (age + cost)
    return np.where(costs, np.clip(np.minimum(soon, often), 0.0, 1.0), 1.0)


def value(rates: Rates, parameters: Parameters) -> FloatArray:
    """Weight times rank weight times normalized goodput times damping; raise InputError without remaining work.

    The work of a job is its remaining examples by the geometric mean of its least and its most goodput. Its goodput g
    is divided by ``most^e least^(1 - e)``, where ``e = 0.65 min(1, sqrt(GPUs / 8 / jobs))``: with few jobs the best
    ways set the measure, and with many the least ways, which are what most jobs can have.
    """
    instance = rates.instance
    here = np.array([job.arrival_s <= instance.now_s for job in instance.jobs], dtype=bool)
    left = np.array([np.nan if job.remaining_examples is None else job.remaining_examples for job in instance.jobs])
    if np.isnan(left[here]).any():
        job = instance.jobs[int(np.flatnonzero(here & np.isnan(left))[0])].id
        expected = f"remaining_examples of job {job!r}, which the objective flow-time needs of every job"
        raise InputError(expected, path="$.jobs")
    least, most = rates.measure("least"), rates.measure("most")
    rank = np.zeros(len(left))
    rank[here] = rank_weights((left / np.sqrt(least * most))[here], parameters.b)
    gpus = sum(group.count * group.gpus for group in instance.cluster.servers)
    e = parameters.e * min(1.0, float(np.sqrt(gpus / 8 / max(1, here.sum()))))
    unit = most**e * least ** (1.0 - e)
    speed = np.where(rates.steady > 0, rates.steady, 1.0)
    factor = damping(
        left[rates.job] / speed,
        rates.of_job(lambda job: job.restart_s),
        rates.of_job(lambda job: job.restarts),
        instance.now_s - rates.of_job(lambda job: job.arrival_s),
        parameters.horizon_s,
        parameters.horizon_restarts,
    )
    moves = ~rates.kept & (rates.of_job(lambda job: job.holds is not None) > 0)
    worth = rank[rates.job] * rates.steady / unit[rates.job] * np.where(moves, factor, 1.0)
    return np.asarray(rates.weight * worth)


def make(parameters: Parameters) -> Objective:
    """Return the objective; one decision of it, taken round after round, aims at the least average completion time."""
    return Objective(
        name="flow-time",
        meaning="sum over jobs of weight x rank weight by remaining work x normalized goodput x damping of moves",
        source="heSRPT (Berg et al. 2020); Sia (SOSP'23, sec. 3.3) for restarts",
        unit="",
        value=lambda rates: value(rates, parameters),
    )
