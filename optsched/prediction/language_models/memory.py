"""Memory of a plan on its most loaded GPU: parameters, gradients, optimizer states and activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.language_models.plans import Plans

__all__ = ["Memory", "memory_gb"]

_OVERHEAD_GB = 2.0
"""Context of the driver, libraries and communication buffers."""


@dataclass(frozen=True)
class Memory:
    """Gigabytes on one GPU, shape ``(n,)`` each; ``total`` is their sum and the driver's overhead."""

    parameters: FloatArray
    gradients: FloatArray
    optimizer: FloatArray
    activations: FloatArray
    total: FloatArray


def memory_gb(plans: Plans, *, fused_attention: bool = True) -> Memory:
    """Return the memory of plans on the GPUs of the first pipeline stage, which holds most activations.

    Mixed precision with Adam: 2 bytes a parameter, 2 a gradient, 12 of optimizer state, sharded over the replicas by
    the stage of ZeRO (Rajbhandari et al., SC'20, sec. 3.1). Activations of a layer: s b h (10 + 24 / t) bytes, with the
    attention matrix 5 a s^2 b / t more where attention is not fused, or 2 s b h with full recomputation and one layer
    whole (Korthikanti et al., MLSys 2023, eq. 2 and sec. 5); stage 0 holds ``min(p, m)`` micro-batches, and with v
    virtual stages 1 + (p - 1) / (p v) times that. With LoRA, gradients and optimizer states are small.
    """
    t, p, c, e = plans.tensor, plans.pipeline, plans.context, plans.expert
    layers, hidden, vocabulary = plans.of("layers"), plans.of("hidden"), plans.of("vocabulary")
    dense = layers * plans.of("dense_per_layer") / (t * p) + vocabulary * hidden / t
    experts = layers * plans.of("expert_parameters") * plans.of("experts") / (e * p)
    replicas = np.maximum(plans.gpus / (e * p), 1)

    def held(bytes_each: float, from_stage: int) -> FloatArray:
        shared = plans.zero >= from_stage
        parts = dense / np.where(shared, plans.data, 1) + experts / np.where(shared, replicas, 1)
        return np.asarray(bytes_each * parts / 1e9)

    trained = np.where(plans.phase == "lora", 0.02, 1.0)
    tokens = plans.micro_batch * plans.seq / c
    # routed tokens multiply what the feed-forward part keeps
    routed = 1 + plans.of("active_experts") * plans.of("expert_ffn") * plans.of("expert_share") / (4 * hidden)
    layer = tokens * hidden * (10 + 24 / t * routed)
    if not fused_attention:
        layer = layer + 5 * plans.of("heads") * plans.seq * tokens / t
    passes = np.maximum(plans.global_batch / (plans.micro_batch * plans.data), 1)
    flight = np.minimum(p, passes) * np.where(
        plans.virtual_pipeline > 1, 1 + (p - 1) / (p * plans.virtual_pipeline), 1.0
    )
    whole = layer * layers / p * flight
    kept = np.where(plans.checkpointing > 0, 2 * tokens * hidden * layers / p * flight + layer, whole)
    logits = np.where(p > 1, 0.0, 6 * tokens * vocabulary / t)
    activations = (kept + logits) / 1e9
    parameters, gradients = held(2.0, 3), held(2.0, 2) * trained
    optimizer = held(12.0, 1) * trained
    return Memory(
        parameters, gradients, optimizer, activations, parameters + gradients + optimizer + activations + _OVERHEAD_GB
    )
