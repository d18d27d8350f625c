"""What to measure next: the configurations that would make the predictions most certain.

Greedy: each choice minimizes the mean over the targets of the log predictive variance that is left (the
noise included), given all choices before it. The variance of a Gaussian posterior does not depend on
what will be measured, so that the choices can be made in advance. Sources: Krause, Singh and Guestrin,
JMLR 9, 2008 (greedy sensor placement with Gaussian processes); Chaloner and Verdinelli, Statistical
Science 1995 (Bayesian experimental design).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.allreduce import AllReduce
from optsched.prediction.curves.allreduce.compress import compress
from optsched.prediction.curves.allreduce.correction import covariance, places
from optsched.prediction.curves.allreduce.formula import step
from optsched.prediction.curves.allreduce.measured import merge
from optsched.prediction.curves.allreduce.population import from_record, prior_for
from optsched.prediction.curves.allreduce.posterior import fit
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fitted import CurveFile

__all__ = ["ProfilePlan", "candidates", "measure_next", "profile_plan"]


@dataclass(frozen=True)
class ProfilePlan:
    """Configurations to measure, in their order.

    points
        The configurations, ``budget`` of them.
    spread
        Mean standard deviation of the log throughput over all candidates before the first measurement
        and after each, shape ``(budget + 1,)``.
    """

    points: Points
    spread: FloatArray


def profile_plan(file: CurveFile, model: str, gpu_type: str, budget: int, max_gpus: int | None = None) -> ProfilePlan:
    """Return the configurations whose measurement would narrow a pair's prediction the most.

    A pair without a curve starts from what the file's curves taught of its model and its GPU type.

    Raises
    ------
    InputError
        For a budget or a largest count that is none, or a pair of which the file says nothing.
    """
    if budget < 1:
        raise InputError("a budget of at least 1 measurement", path="budget", value=shown(budget))
    if max_gpus is not None and max_gpus < 1:
        raise InputError("at least 1 GPU", path="max_gpus", value=shown(max_gpus))
    own = [f for f in file.curves if (f.model, f.gpu_type) == (model, gpu_type)]
    curve = own[0].curve if own else None
    if curve is None and file.population is not None:
        nothing = merge(Points.of(np.empty(0), nodes=np.empty(0), local_batch=np.empty(0)), np.empty(0))
        curve = compress(fit(nothing, prior_for(from_record(file.population), model, gpu_type)))
    if not isinstance(curve, AllReduce) or curve.belief is None:
        known = ", ".join(f.name for f in file.curves[:8])
        expected = f"a fitted all-reduce curve, or a file that holds what its curves taught ({known})"
        raise InputError(expected, path="model, gpu", value=shown(f"{model}/{gpu_type}"))
    points = candidates(file, model, gpu_type, max_gpus)
    chosen, variance = measure_next(curve, points, budget)
    return ProfilePlan(points.take(np.array(chosen, dtype=np.int64)), np.sqrt(np.exp(variance)))


def candidates(file: CurveFile, model: str, gpu_type: str, max_gpus: int | None = None) -> Points:
    """Return what could be measured: counts and placements up to the largest seen, five batches over the range.

    The ranges are those of the pair's own rows, or else of its model's, or else of its GPU type's.
    """
    relatives = (
        [f for f in file.curves if f.model == model and f.gpu_type == gpu_type]
        or [f for f in file.curves if f.model == model]
        or [f for f in file.curves if f.gpu_type == gpu_type]
        or list(file.curves)
    )
    same_type = [f for f in file.curves if f.gpu_type == gpu_type] or relatives
    per_node = max(f.gpus_per_node for f in same_type)
    most = max_gpus or max(f.max_gpus for f in relatives)
    low = min(f.local_batches[0] for f in relatives)
    high = max(f.local_batches[1] for f in relatives)
    batches = np.unique(np.rint(np.geomspace(low, high, 5)))
    sizes = [k for k in (1, 2, 3, 4, 6, 8, 12, 16) if k <= min(per_node, most)]
    nodes = [n for n in (1, 2, 3, 4, 6, 8, 12, 16) if n <= most]
    cells = [(n * k, n, b) for n in nodes for k in sizes if n * k <= most for b in batches]
    gpus, on, batch = np.array(cells, dtype=np.float64).T
    return Points.of(gpus, nodes=on, local_batch=batch, max_per_node=gpus / on)


def measure_next(curve: AllReduce, points: Points, count: int) -> tuple[list[int], FloatArray]:
    """Return the numbers of ``count`` points in the order to measure them, and the mean log variance.

    The second result holds the mean log predictive variance over the points before the first and
    after each choice, shape ``(count + 1,)``. A point can be chosen again, to average its noise,
    when nothing else helps more.
    """
    assert curve.belief is not None
    anchors = curve._anchors
    rate = curve.relative_rate(points.gbps)
    _, seen, unsure = curve.uncertainty(points, rate)
    here = places(anchors.kernel, points, step(curve.theta, points, rate, jacobian=False))
    cov = covariance(anchors.kernel, here, here) - seen @ seen.T + unsure @ anchors.covariance @ unsure.T
    noise = curve.belief.noise**2
    chosen: list[int] = []
    path = [float(np.log(np.maximum(np.diag(cov), 0.0) + noise).mean())]
    for _ in range(count):
        left = np.maximum(np.diag(cov), 0.0)
        after = np.maximum(left - cov**2 / (left + noise)[:, None], 0.0) + noise
        gains = np.log(after).mean(axis=1)
        best = int(np.argmin(gains))
        chosen.append(best)
        path.append(float(gains[best]))
        cov = cov - np.outer(cov[best], cov[best]) / (left[best] + noise)
    return chosen, np.array(path)
