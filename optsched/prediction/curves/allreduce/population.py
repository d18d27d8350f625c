"""What was learned from all measured pairs: the prior of any pair, and how it stands in a file."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.errors import InputError
from optsched.prediction.curves.allreduce.correction import Kernel, Shared
from optsched.prediction.curves.allreduce.formula import NAMES, SIZE
from optsched.prediction.curves.allreduce.posterior import Prior

__all__ = ["Population", "PopulationRecord", "from_record", "generic_prior", "new_type", "prior_for", "to_record"]

# (mean, standard deviation) of each log-parameter when nothing at all is known: seconds of a pass
# and of a synchronization to a factor of e^2-e^3, exponents small, everything else near one
GENERIC = (
    (-3.0, 2.0),
    (-4.0, 2.0),
    (-6.0, 3.0),
    (-4.0, 2.0),
    (-0.5, 0.8),
    (-3.0, 2.0),
    (-0.7, 0.8),
    (-0.9, 0.8),
    (0.0, 0.5),
    (-3.0, 1.0),
    (-3.0, 1.0),
    (-0.3, 1.0),
    (0.0, 0.7),
    (1.2, 0.7),
)
# what else a GPU type may differ by that was not measured, as standard deviations: a generation of GPUs or of
# networks is outside the range of those before it, and a table knows too few types to show how far. One factor
# on all times, one on those between nodes (as little is known of both as of a first pair's), and each by itself
NEW_SPEED, NEW_NETWORK, NEW_OTHER = 2.0, 2.0, 0.5


def generic_prior(kernel: Kernel | None = None) -> Prior:
    """The weak prior for a first pair."""
    mean, sd = np.array(GENERIC).T
    return Prior(mean, np.diag(sd**2), kernel or Kernel())


def new_type() -> FloatArray:
    """Covariance of a GPU type's effect beyond what the known types show, (14, 14)."""
    times = np.array([name in ("log_floor", "log_fixed", "log_rate", "log_intra", "log_inter") for name in NAMES])
    network = np.array([name == "log_inter" for name in NAMES])
    wide = NEW_SPEED**2 * np.outer(times, times) + NEW_NETWORK**2 * np.outer(network, network)
    return np.asarray(wide + NEW_OTHER**2 * np.eye(SIZE))


Corrections = dict[str, tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Population:
    """What was learned from all pairs.

    models, gpu_types: names of the known effects; mean: of (mu, u_1.., v_1..) stacked, ((1 + I +
    J) 14,); covariance: of the same; model_covariance, gpu_covariance, pair_covariance: of one
    effect, (14, 14) each; kernel, noise: as in ``Prior``; batches, resources: shared correction by
    model and by GPU type, as (places, weights).
    """

    models: tuple[str, ...]
    gpu_types: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray
    model_covariance: FloatArray
    gpu_covariance: FloatArray
    pair_covariance: FloatArray
    kernel: Kernel
    noise: float
    batches: Corrections = field(default_factory=dict)
    resources: Corrections = field(default_factory=dict)


def prior_for(population: Population, model: str, gpu_type: str) -> Prior:
    """Prior of a pair, of which the model, the GPU type, both or none are known."""
    z = np.zeros(1 + len(population.models) + len(population.gpu_types))
    z[0] = 1.0
    cov = population.pair_covariance
    if model in population.models:
        z[1 + population.models.index(model)] = 1.0
    else:
        cov = cov + population.model_covariance
    if gpu_type in population.gpu_types:
        z[1 + len(population.models) + population.gpu_types.index(gpu_type)] = 1.0
    else:
        cov = cov + population.gpu_covariance + new_type()
    select = np.kron(z, np.eye(SIZE))
    nothing = (np.empty(0), np.empty(0)), (np.empty((0, 3)), np.empty(0))
    batch, resource = population.batches, population.resources
    return Prior(
        select @ population.mean,
        cov + select @ population.covariance @ select.T,
        population.kernel,
        population.noise,
        Shared(*batch.get(model, nothing[0]), *resource.get(gpu_type, nothing[1])),
    )


Numbers = tuple[float, ...]


class PopulationRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A population as it stands in a file: covariances as lower triangles, row by row."""

    models: tuple[str, ...]
    gpu_types: tuple[str, ...]
    mean: Numbers
    covariance: Numbers
    model_covariance: Numbers
    gpu_covariance: Numbers
    pair_covariance: Numbers
    noise: float
    batches: dict[str, tuple[Numbers, Numbers]]
    resources: dict[str, tuple[tuple[tuple[float, float, float], ...], Numbers]]


def to_record(population: Population) -> PopulationRecord:
    """Return a population for a file."""
    p = population
    matrices = (p.covariance, p.model_covariance, p.gpu_covariance, p.pair_covariance)
    whole, model, gpu, pair = (tuple(m[np.tril_indices(len(m))].tolist()) for m in matrices)
    return PopulationRecord(
        models=p.models,
        gpu_types=p.gpu_types,
        mean=tuple(p.mean.tolist()),
        covariance=whole,
        model_covariance=model,
        gpu_covariance=gpu,
        pair_covariance=pair,
        noise=p.noise,
        batches={name: (tuple(at.tolist()), tuple(w.tolist())) for name, (at, w) in p.batches.items()},
        resources={
            name: (tuple((x, y, z) for x, y, z in at.tolist()), tuple(w.tolist()))
            for name, (at, w) in p.resources.items()
        },
    )


def from_record(record: PopulationRecord) -> Population:
    """Return the population that a file holds; raise InputError where its sizes do not fit."""
    groups = (1 + len(record.models) + len(record.gpu_types)) * SIZE

    def square(name: str, size: int) -> FloatArray:
        numbers = getattr(record, name)
        if len(numbers) != size * (size + 1) // 2:
            expected = f"{size * (size + 1) // 2} numbers"
            raise InputError(expected, path=f"$.population.{name}", value=f"{len(numbers)} numbers")
        lower = np.zeros((size, size))
        lower[np.tril_indices(size)] = numbers
        return lower + np.tril(lower, -1).T

    if len(record.mean) != groups:
        raise InputError(f"{groups} numbers", path="$.population.mean", value=f"{len(record.mean)} numbers")
    return Population(
        record.models,
        record.gpu_types,
        np.array(record.mean),
        square("covariance", groups),
        square("model_covariance", SIZE),
        square("gpu_covariance", SIZE),
        square("pair_covariance", SIZE),
        Kernel(),
        record.noise,
        {name: (np.array(at), np.array(w)) for name, (at, w) in record.batches.items()},
        {name: (np.array(at).reshape(-1, 3), np.array(w)) for name, (at, w) in record.resources.items()},
    )
