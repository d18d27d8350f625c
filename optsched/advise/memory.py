"""Memory of data-parallel training on one GPU: does a configuration fit?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.advise.candidates import Candidates
from optsched.errors import InputError
from optsched.prediction.curves.configurations import Points

__all__ = ["OPTIMIZERS", "Footprint", "memory_gb", "refuse_what_does_not_fit"]

_OVERHEAD_GB = 1.0
"""Context of the driver, libraries and communication buffers."""
_STATE = {"sgd": 0.0, "momentum": 4.0, "adam": 8.0}
"""Bytes of optimizer state a parameter."""
OPTIMIZERS = tuple(_STATE)
"""Names of optimizers whose memory is known."""


@dataclass(frozen=True)
class Footprint:
    """What a model takes of a GPU's memory.

    parameters_m
        Millions of parameters.
    activation_gb
        Activations of one example that are kept for the backward pass (GB).
    optimizer
        ``sgd``, ``momentum`` or ``adam``.
    mixed
        Whether parameters and gradients are in 16 bits, with a copy in 32.
    checkpointing
        Whether activations are computed again (square root of their layers is kept: Chen et al., 2016).
    shard
        What is sharded over the GPUs: 0 nothing, 1 optimizer state, 2 gradients too, 3 parameters too (ZeRO).
    """

    parameters_m: float
    activation_gb: float = 0.0
    optimizer: str = "adam"
    mixed: bool = False
    checkpointing: bool = False
    shard: int = 0


def memory_gb(of: Footprint, points: Points) -> FloatArray:
    """Return the GB that each configuration takes of a GPU, shape ``(n,)``.

    Parameters and gradients at 4 bytes each, or 2 each and 4 more of a master copy; the optimizer's state; activations
    of the local batch (Rajbhandari et al., SC'20, sec. 3).
    """
    if of.optimizer not in _STATE:
        raise InputError(f"one of {', '.join(_STATE)}", path="--optimizer", value=repr(of.optimizer))
    count = of.parameters_m * 1e6
    each = 2.0 if of.mixed else 4.0
    state = _STATE[of.optimizer] + (4.0 if of.mixed else 0.0)
    replicas = points.gpus
    held = [each, each, state]  # parameters, gradients, optimizer
    stages = [3, 2, 1]
    static = sum(size / (replicas if of.shard >= stage else 1.0) for size, stage in zip(held, stages, strict=True))
    kept = 0.25 if of.checkpointing else 1.0
    batch = np.where(np.isfinite(points.local_batch), points.local_batch, 0.0)
    return np.asarray(count * static / 1e9 + kept * of.activation_gb * batch + _OVERHEAD_GB, dtype=np.float64)


def refuse_what_does_not_fit(candidates: Candidates, footprint: Footprint | None) -> tuple[Candidates, tuple[str, ...]]:
    """Return the candidates that fit the memory of their GPUs, and for each offer what does not, with numbers.

    Raises
    ------
    InputError
        Where none fits.
    """
    if footprint is None:
        return candidates, ()
    from optsched.prediction.language_models.hardware import gpu_of

    needs = memory_gb(footprint, candidates.points)
    has = np.full(len(candidates), np.inf)
    said = []
    for name in sorted(set(candidates.gpu_types)):
        rows = np.array([other == name for other in candidates.gpu_types])
        sheet = gpu_of(name)
        for number in np.unique(candidates.offer[rows]).tolist():
            mine = rows & (candidates.offer == number)
            given = candidates.offers[number].memory_gb if number >= 0 else None
            size = given if given is not None else sheet[1].memory_gb if sheet else np.inf
            has[mine] = size
            short = mine & (needs > size)
            if short.any():
                said.append(_short(footprint, candidates.points.take(short), needs[short], float(size), name))
    fits = needs <= has
    if not fits.any():
        raise InputError(f"a configuration that fits the memory ({said[0]})", path="--parameters-m")
    return candidates.take(np.flatnonzero(fits)), tuple(said)


def _short(of: Footprint, points: Points, needs: FloatArray, size: float, name: str) -> str:
    """Return what does not fit, and what would make the smallest of it fit."""
    from dataclasses import replace

    least = int(np.argmin(needs))
    point = points.take(np.array([least]))
    remedies = []
    if not of.checkpointing and of.activation_gb > 0:
        remedies.append(("checkpointing", replace(of, checkpointing=True)))
    remedies += [(f"sharding stage {stage}", replace(of, shard=stage)) for stage in range(of.shard + 1, 4)]
    ways = [f"with {how} {float(memory_gb(changed, point)[0]):.3g}" for how, changed in remedies]
    tail = f"; {', '.join(ways)}" if ways else ""
    batch = float(point.local_batch[0])
    amount = f"{needs[least]:.3g} of {size:.3g} GB at {batch:g} examples per GPU"
    return f"{len(points)} configurations on {name} do not fit: {amount}{tail}"
