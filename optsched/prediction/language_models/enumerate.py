"""All parallelism plans of a model on some GPUs: which fit the memory, and how fast they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.language_models.architecture import Architecture
from optsched.prediction.language_models.fitted import LanguageModels
from optsched.prediction.language_models.memory import Memory, memory_gb
from optsched.prediction.language_models.plans import Plans, plans_of
from optsched.prediction.language_models.predict import predict

__all__ = ["Ranked", "every_plan", "rank", "refused"]

_MOST_PASSES = 4096
_MOST_MICRO_BATCH = 64


@dataclass(frozen=True)
class Ranked:
    """Plans that fit, the fastest first.

    plans, records
        The plans, as arrays and as records of their columns.
    seconds, low, high
        Predicted seconds of an iteration and the ends of their 80 % interval, shape ``(n,)``.
    memory
        Gigabytes on the most loaded GPU of each.
    """

    plans: Plans
    records: tuple[dict[str, Any], ...]
    seconds: FloatArray
    low: FloatArray
    high: FloatArray
    memory: Memory


def _divisors(number: int, most: float) -> list[int]:
    return [k for k in range(1, min(number, int(most)) + 1) if number % k == 0]


def every_plan(base: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all plans of a model on its GPUs, as records of the columns of a table of plans.

    Tensor parallelism divides the heads and stays inside a domain of linked GPUs (a server at most where the record has
    ``gpus_per_node``), pipeline stages divide the layers, replicas divide the global batch, experts are spread over
    divisors of their number; ZeRO is 1, or 3 without other parallelism; activations are kept or recomputed.

    Parameters
    ----------
    base
        ``model`` (or its numbers), ``gpu_type``, ``gpus``, ``seq``, ``global_batch``; what else it has is kept.

    Raises
    ------
    InputError
        For an unknown model or GPU type, or where no plan divides the batch.
    """
    alone = plans_of([{**base, "gpus": 1.0, "micro_batch": 1.0}])
    architecture, gpus = alone.architectures[0], int(base["gpus"])
    inside = min(float(base.get("gpus_per_node", np.inf)), float(alone.domain[0]))
    found = [
        {**base, **degrees, "micro_batch": float(micro), "zero": float(zero), "checkpointing": kept}
        for degrees, data in _degrees(architecture, gpus, inside)
        for micro in _micro_batches(int(base["global_batch"]), data)
        for zero in ((1, 3) if degrees["tensor"] == degrees["pipeline"] == degrees["expert"] == 1 else (1,))
        for kept in ("false", "true")
    ]
    if not found:
        expected = "a global batch that some number of replicas divides"
        raise InputError(expected, path="global_batch", value=shown(base["global_batch"]))
    return found


def _degrees(architecture: Architecture, gpus: int, inside: float) -> Iterator[tuple[dict[str, float], int]]:
    """Yield the degrees of parallelism on some GPUs, and the replicas that they leave."""
    for tensor in _divisors(architecture.heads, min(inside, gpus)):
        if gpus % tensor:
            continue
        for pipeline in _divisors(architecture.layers, gpus // tensor):
            if (gpus // tensor) % pipeline:
                continue
            data = gpus // (tensor * pipeline)
            for expert in _divisors(max(architecture.experts, 1), data * tensor):
                if (data * tensor) % expert == 0:
                    degrees = {"tensor": tensor, "pipeline": pipeline, "expert": expert}
                    yield {name: float(value) for name, value in degrees.items()}, data


def _micro_batches(global_batch: int, data: int) -> list[int]:
    """Return the micro-batches that divide a replica's part of the global batch: powers of two times small odds."""
    if global_batch % data:
        return []
    each = global_batch // data
    return [k for k in _divisors(each, _MOST_MICRO_BATCH) if each // k <= _MOST_PASSES]


def fits(plans: Plans, memory: Memory) -> NDArray[np.bool_]:
    """Tell which plans fit the memory of their GPUs, shape ``(n,)``."""
    return np.asarray(memory.total <= plans.memory_gb)


def rank(models: LanguageModels, base: Mapping[str, Any]) -> Ranked:
    """Return all plans of a model that fit its GPUs, by predicted time; none where none fits.

    Raises
    ------
    InputError
        As :func:`every_plan`.
    """
    records = every_plan(base)
    plans = plans_of(records)
    memory = memory_gb(plans)
    inside = np.flatnonzero(fits(plans, memory))
    chosen = plans.take(inside)
    seconds, low, high = predict(models, chosen) if len(inside) else (np.zeros(0), np.zeros(0), np.zeros(0))
    order = np.argsort(seconds, kind="stable")
    return Ranked(
        chosen.take(order),
        tuple(records[k] for k in inside[order].tolist()),
        seconds[order],
        low[order],
        high[order],
        memory_gb(chosen.take(order)),
    )


def refused(record: Mapping[str, Any]) -> str:
    """Say by how much a plan exceeds its GPU's memory, and what would make it fit; empty for a plan that fits."""
    plan = plans_of([record])
    needs, there = float(memory_gb(plan).total[0]), float(plan.memory_gb[0])
    if needs <= there:
        return ""
    changes = [(f"with ZeRO {stage}", {"zero": float(stage)}) for stage in (1, 2, 3) if stage > float(plan.zero[0])] + [
        ("with recomputed activations", {"checkpointing": "true"})
    ]
    both = {"zero": 3.0, "checkpointing": "true"}
    for words, change in [*changes, ("with ZeRO 3 and recomputed activations", both)]:
        other = float(memory_gb(plans_of([{**record, **change}])).total[0])
        if other <= there:
            return f"does not fit: {needs:.0f} of {there:g} GB; {words}: {other:.0f}"
    return f"does not fit: {needs:.0f} of {there:g} GB"
