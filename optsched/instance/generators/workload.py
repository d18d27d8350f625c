"""Instances made from fitted curves: clusters and jobs of any size, the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optsched.errors import InputError, shown
from optsched.instance import Cluster, GpuType, Instance, Job, ObjectiveSpec, ServerGroup, validate
from optsched.prediction.curves.fitted import CurveFile, Fitted

__all__ = ["generate"]

_TENANTS = ("vision", "language", "recommendation")
_SIZES = (1, 2, 4, 8, 16)
_MOST = 64


def generate(file: CurveFile, gpus: Mapping[str, int], jobs: int, seed: int = 0, name: str = "") -> Instance:
    """Return a cluster of one site and jobs that train the file's models by all-reduce.

    Servers hold as many GPUs as the measured ones did. Each job trains a model that was measured on
    at least one of the GPU types, on any of those; its global batch is one that all its measured
    GPU types can hold at 1 to 16 GPUs, its largest number of GPUs 8 to 64.

    Parameters
    ----------
    gpus
        GPUs in all of each type.
    jobs
        Number of jobs, >= 1.

    Raises
    ------
    InputError
        For a GPU type without a curve, a count that is no count, or a seed that is none.
    """
    if jobs < 1:
        raise InputError("at least 1 job", path="jobs", value=shown(jobs))
    if seed < 0:
        raise InputError("a seed >= 0", path="seed", value=shown(seed))
    by_model: dict[str, dict[str, Fitted]] = {}
    for fitted in file.curves:
        if fitted.curve.scaling in (None, "allreduce"):
            by_model.setdefault(fitted.model, {}).setdefault(fitted.gpu_type, fitted)
    known = {gpu_type for of in by_model.values() for gpu_type in of}
    if not known:
        raise InputError("curves of all-reduce training", path="curves", value=f"{len(file.curves)} others")
    for gpu_type, count in gpus.items():
        if gpu_type not in known:
            raise InputError(
                f"a GPU type with a curve ({', '.join(sorted(known))})", path="gpus", value=shown(gpu_type)
            )
        if count < 1:
            raise InputError("at least 1 GPU", path=f"gpus.{gpu_type}", value=shown(count))
    usable = {m: {g: f for g, f in of.items() if g in gpus} for m, of in sorted(by_model.items())}
    usable = {m: of for m, of in usable.items() if of}
    random = np.random.default_rng(seed)
    made = tuple(_job(random, number, usable) for number in range(jobs))
    used = sorted({name for job in made for name in job.curves.values()})
    curves = {fitted.name: fitted.curve for fitted in file.curves if fitted.name in used}
    return validate(
        Instance(
            format="optsched/1",
            name=name or f"{jobs} jobs on {', '.join(f'{n} {g}' for g, n in gpus.items())}, seed {seed}",
            source=f"generated from curves fitted to {file.source}" if file.source else "generated from fitted curves",
            cluster=Cluster(
                gpu_types=tuple(GpuType(id=g) for g in gpus),
                servers=tuple(group for g, n in gpus.items() for group in _servers(file, g, n)),
            ),
            curves=curves,
            jobs=made,
            objective=ObjectiveSpec(name="progress"),
        )
    )


def _servers(file: CurveFile, gpu_type: str, count: int) -> list[ServerGroup]:
    """Return servers of the measured size, and a smaller one for the rest."""
    size = max(f.gpus_per_node for f in file.curves if f.gpu_type == gpu_type)
    whole, rest = divmod(count, size)
    groups = [ServerGroup(id=gpu_type, count=whole, gpu_type=gpu_type, gpus=size)] if whole else []
    return groups + ([ServerGroup(id=f"{gpu_type}-rest", gpu_type=gpu_type, gpus=rest)] if rest else [])


def _job(random: np.random.Generator, number: int, usable: Mapping[str, Mapping[str, Fitted]]) -> Job:
    """Draw a job: its model, its batch, its limits and its weight."""
    model = list(usable)[int(random.integers(len(usable)))]
    of = usable[model]
    low = max(f.local_batches[0] for f in of.values())
    high = min(f.local_batches[1] for f in of.values())
    workers = int(random.choice(_SIZES))
    local = np.exp(random.uniform(np.log(low), np.log(max(low, high))))
    most = int(random.choice([8, 16, 32, _MOST]))
    batch = int(np.ceil(local * workers))
    return Job(
        id=f"{model}-{number}",
        tenant=_TENANTS[int(random.integers(len(_TENANTS)))],
        weight=float(random.choice([0.5, 1.0, 1.0, 2.0])),
        curves={gpu_type: fitted.name for gpu_type, fitted in of.items()},
        max_gpus=max(1, min(most, batch)),
        global_batches=(batch,),
    )
