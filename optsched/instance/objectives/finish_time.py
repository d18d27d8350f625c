"""Finish-time fairness: no job takes much longer than on an N-th of the cluster of one's own."""

from __future__ import annotations

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError
from optsched.instance.objectives.base import Objective, Rates


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether, of all plans of the least worst ratio, the second worst counts, and so on."""

    lexicographic: bool = False


def value(rates: Rates) -> FloatArray:
    """1 / rho = T_independent / T_shared, by the weight; raise InputError for a job without its remaining work.

    T_shared counts from the job's arrival: its age, what a restart takes, and the remaining work at this way's
    goodput. T_independent is the whole work, done and remaining, at the goodput of an N-th of the cluster.
    """
    left = rates.of_job(lambda job: job.remaining_examples)
    if np.isnan(left).any():
        job = rates.instance.jobs[int(rates.job[np.flatnonzero(np.isnan(left))[0]])].id
        expected = f"remaining_examples of job {job!r}, which the objective finish-time needs of every job"
        raise InputError(expected, path="$.jobs")
    trained = rates.share > 0
    goodput = rates.goodput / np.where(trained, rates.share, 1.0)
    lost = np.where(
        rates.kept | (rates.of_job(lambda job: job.holds is not None) == 0),
        0.0,
        rates.of_job(lambda job: job.restart_s),
    )
    age = rates.instance.now_s - rates.of_job(lambda job: job.arrival_s)
    shared = age + lost + left / np.where(trained, goodput, 1.0)
    alone = (rates.of_job(lambda job: job.done_examples) + left) / rates.reference
    return np.where(trained, alone / shared / rates.divisor, 0.0)


def make(parameters: Parameters) -> Objective:
    """Return the objective: Themis (NSDI'20, sec. 3.1: rho = T_shared / T_independent; least worst rho).

    A plan is held from now on here, so that a job that waits has rho = inf and value 0.
    """
    return Objective(
        name="finish-time",
        meaning="least T_independent / T_shared / weight of any job: 1 / rho of the worst",
        source="Themis (NSDI'20, sec. 3.1)",
        unit="",
        value=value,
        aggregate="lexmin" if parameters.lexicographic else "min",
        base="isolated",
    )
