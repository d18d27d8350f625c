"""Jobs that train language models: each lists, for every number of GPUs, the fastest parallelism plan that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optsched.errors import InputError, shown
from optsched.instance.records import (
    Cluster,
    Configuration,
    GpuType,
    Instance,
    Job,
    ObjectiveSpec,
    ParallelismPlan,
    ServerGroup,
)
from optsched.instance.validate import validate
from optsched.prediction.language_models import LanguageModels, architecture_of
from optsched.prediction.language_models.enumerate import Ranked, rank
from optsched.prediction.language_models.hardware import gpu_of
from optsched.prediction.language_models.shipped import shipped

__all__ = ["MODELS", "Workload", "configuration_of_plan", "configurations_of", "generate_language_models", "label_of"]

MODELS = ("gpt3-1.3b", "llama3-3b", "gpt3-6.7b", "llama3-8b", "gpt3-13b", "qwen3-32b", "mixtral-8x7b", "llama3-70b")
"""Models of 1 to 70 billion parameters."""
_BATCHES = (256, 512, 1024)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Workload:
    """What a job trains: a model on sequences of a length, in global batches of sequences."""

    model: str
    seq: int
    global_batch: int


def configurations_of(
    models: LanguageModels, work: Workload, gpu_type: str, sizes: tuple[int, ...], per_node: int, *, plans: int = 1
) -> tuple[Configuration, ...]:
    """Return the fastest plans of each number of GPUs, none where no plan fits the memory.

    Parameters
    ----------
    sizes
        Numbers of GPUs: divisors or multiples of ``per_node``.
    per_node
        GPUs of a server. Tensor groups stay inside one.
    plans
        Most plans of each number of GPUs.
    """
    found: list[Configuration] = []
    for gpus in sizes:
        nodes = -(-gpus // per_node)
        base = {
            "model": work.model,
            "gpu_type": gpu_type,
            "gpus": float(gpus),
            "gpus_per_node": float(gpus // nodes),
            "seq": float(work.seq),
            "global_batch": float(work.global_batch),
            "precision": "bf16",
        }
        try:
            ranked = rank(models, base)
        except InputError:  # no number of replicas divides the batch
            continue
        found += [configuration_of_plan(ranked, k, work, gpu_type, nodes) for k in range(min(plans, len(ranked.plans)))]
    return tuple(found)


def configuration_of_plan(ranked: Ranked, k: int, work: Workload, gpu_type: str, nodes: int) -> Configuration:
    """Return the configuration that stands for the k-th of ranked plans."""
    p = ranked.plans
    plan = ParallelismPlan(
        tensor=int(p.tensor[k]),
        pipeline=int(p.pipeline[k]),
        data=int(p.data[k]),
        expert=int(p.expert[k]),
        zero=int(p.zero[k]),  # type: ignore[arg-type]
        checkpointing=bool(p.checkpointing[k]),
    )
    return Configuration(
        gpu_type=gpu_type,
        gpus=int(p.gpus[k]),
        nodes=nodes,
        throughput=float(f"{work.global_batch / ranked.seconds[k]:.6g}"),
        local_batch=float(p.micro_batch[k]),
        label=label_of(plan, int(p.micro_batch[k])),
        plan=plan,
    )


def label_of(plan: ParallelismPlan, micro_batch: int) -> str:
    """Return a plan in words that people use: ``tp4 pp2 dp4 mb2 zero1``."""
    parts = [f"tp{plan.tensor}", f"pp{plan.pipeline}", f"dp{plan.data}"]
    parts += [f"cp{plan.context}"] * (plan.context > 1) + [f"ep{plan.expert}"] * (plan.expert > 1)
    parts += [f"mb{micro_batch}", f"zero{plan.zero}"] + ["recompute"] * plan.checkpointing
    return " ".join(parts)


def generate_language_models(
    gpus: Mapping[str, int],
    jobs: int,
    seed: int = 0,
    *,
    models: LanguageModels | None = None,
    per_node: int = 8,
    works: dict[str, Workload] | None = None,
) -> Instance:
    """Return a cluster of servers and jobs that train language models of 1 to 70 billion parameters.

    Parameters
    ----------
    gpus
        GPUs in all of each type whose data are known; a multiple of ``per_node``.
    models
        A fit of iteration times; None: the coefficients that are shipped.
    works
        Filled with what each job trains, by its id.

    Raises
    ------
    InputError
        For an unknown GPU type, GPUs that fill no servers, or a number of jobs or a seed out of range.
    """
    if jobs < 1:
        raise InputError("at least 1 job", path="jobs", value=shown(jobs))
    if seed < 0:
        raise InputError("a seed >= 0", path="seed", value=shown(seed))
    for gpu_type, count in gpus.items():
        if gpu_of(gpu_type) is None:
            raise InputError("a GPU type whose data are known", path="gpus", value=shown(gpu_type))
        if count < per_node or count % per_node:
            raise InputError(f"a multiple of {per_node} GPUs", path=f"gpus.{gpu_type}", value=shown(count))
    fit = models or shipped()
    random = np.random.default_rng(seed)
    known: dict[Workload, tuple[Configuration, ...]] = {}
    drawn = [_job(random, number, gpus, fit, per_node, known) for number in range(jobs)]
    made = tuple(job for job, _ in drawn)
    if works is not None:
        works.update({job.id: work for job, work in drawn})
    return validate(
        Instance(
            format="optsched/1",
            name=f"{jobs} language models on {', '.join(f'{n} {g}' for g, n in gpus.items())}, seed {seed}",
            source="generated from predicted iteration times of parallelism plans",
            cluster=Cluster(
                gpu_types=tuple(GpuType(id=g, memory_gb=_memory(g)) for g in gpus),
                servers=tuple(
                    ServerGroup(id=g, count=n // per_node, gpu_type=g, gpus=per_node) for g, n in gpus.items()
                ),
            ),
            jobs=made,
            objective=ObjectiveSpec(name="proportional"),
            decides="placement",
        )
    )


def _memory(gpu_type: str) -> float:
    found = gpu_of(gpu_type)
    assert found is not None
    return found[1].memory_gb


def _job(
    random: np.random.Generator,
    number: int,
    gpus: Mapping[str, int],
    fit: LanguageModels,
    per_node: int,
    known: dict[Workload, tuple[Configuration, ...]],
) -> tuple[Job, Workload]:
    """Draw a job, and what it trains: its model, its batch and its weight."""
    model = MODELS[int(random.integers(len(MODELS)))]
    work = Workload(model, int(random.choice([2048, 4096])), int(random.choice(_BATCHES)))
    if work not in known:
        known[work] = tuple(
            configuration
            for gpu_type, count in gpus.items()
            for configuration in configurations_of(
                fit, work, gpu_type, tuple(s for s in _SIZES if s <= count), per_node
            )
        )
    architecture = architecture_of(model)
    assert architecture is not None
    job = Job(
        id=f"{model}-{number}",
        weight=float(random.choice([0.5, 1.0, 1.0, 2.0])),
        configurations=known[work],
        # resharding takes longer the larger the model is
        restart_s=round(60 + architecture.parameters / 1e9, 1),
    )
    return job, work
