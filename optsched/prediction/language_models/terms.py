"""The physical terms of an iteration: work and traffic of a plan over the peak rates of its GPUs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.language_models.plans import Plans

__all__ = ["Terms", "terms_of"]


@dataclass(frozen=True)
class Terms:
    """Seconds at peak rates unless said otherwise, of ``n`` plans, shape ``(n,)`` each.

    Of one layer and micro-batch on one GPU: ``dense`` and ``experts`` (matrix products forward and backward),
    ``attention``, ``activations`` and ``weights`` (reads and writes of memory), ``scores`` (attention matrix),
    ``tensor``, ``dispatch`` and ``context`` (traffic of tensor, expert and context parallelism). Of one micro-batch:
    ``vocabulary``, ``logits``, ``stage_traffic`` and ``gather`` (sharded parameters). Of one iteration: ``reduction``
    (gradients) and ``optimizer``.

    thin, thin_experts, short
        1024 over the width of a GPU's share of a layer, over that of an expert, and over its tokens: small matrix
        products are slower.
    passes, stages, rounds, layers_per_stage
        Micro-batches of a replica, pipeline stages, virtual stages of one GPU, layers of a stage.
    """

    dense: FloatArray
    experts: FloatArray
    attention: FloatArray
    activations: FloatArray
    weights: FloatArray
    scores: FloatArray
    tensor: FloatArray
    dispatch: FloatArray
    context: FloatArray
    vocabulary: FloatArray
    logits: FloatArray
    stage_traffic: FloatArray
    gather: FloatArray
    reduction: FloatArray
    optimizer: FloatArray
    thin: FloatArray
    thin_experts: FloatArray
    short: FloatArray
    recompute: FloatArray
    log_speedup: FloatArray
    four_bits: FloatArray
    log_tensor: FloatArray
    passes: FloatArray
    stages: FloatArray
    rounds: FloatArray
    layers_per_stage: FloatArray


def terms_of(plans: Plans) -> Terms:
    """Return the terms of plans.

    Work counts two operations for a multiplication and addition, three products for forward and backward (Narayanan et
    al., SC'21, sec. 5; Korthikanti et al., MLSys 2023, sec. 4): 6 operations a parameter and token, two thirds of that
    where weights are frozen (LoRA). Traffic of rings is ``2 (k - 1) / k`` of the bytes for an all-reduce.
    """
    t, p, c, e = plans.tensor, plans.pipeline, plans.context, plans.expert
    layers, hidden = plans.of("layers"), plans.of("hidden")
    dense_w, expert_w = plans.of("dense_per_layer"), plans.of("expert_parameters")
    experts, active = plans.of("experts"), plans.of("active_experts")
    attention_w = plans.of("attention_width") * plans.of("attention_share")
    inner = np.where(
        experts > 0, plans.of("expert_ffn") * active, [_inner(a.ffn, a.hidden) for a in plans.architectures]
    )
    vocabulary = plans.of("vocabulary")
    tokens = plans.micro_batch * plans.seq / c
    peak, memory = 1e12 * plans.tflops, 1e12 * plans.memory_tb_s
    link, network = 1e9 * plans.link_gb_s, 1e9 * plans.network_gb_s
    wide = plans.gpus > plans.domain
    fabric = np.where(wide, network, link)
    expert_share = plans.of("expert_share")
    # parameters on one GPU, and how often they are replicated
    own_dense = layers * dense_w / (t * p) + vocabulary * hidden / t
    own_experts = layers * expert_w * experts / (e * p)
    replicas = np.maximum(plans.gpus / (e * p), 1)
    sharded = plans.zero >= 1
    work = np.where(plans.phase == "lora", 4.0, 6.0)
    return Terms(
        dense=work * dense_w * tokens / t / peak,
        experts=work * expert_w * active * tokens / t / peak,
        attention=6 * attention_w * plans.seq * tokens / t / peak,
        activations=tokens * hidden * 2 / memory * (1 + 0.5 * inner / hidden / t) / 2,
        weights=(dense_w / t + expert_w * experts / e) * 2 / memory,
        scores=plans.of("heads") * plans.of("attention_share") * plans.seq * tokens * 2 / t / memory,
        tensor=np.where(t > 1, 8 * tokens * hidden * (t - 1) / t / np.where(t <= plans.domain, link, 4 * network), 0),
        dispatch=np.where(
            (e > 1) & (experts > 0),
            8 * tokens * active * hidden * (e - 1) / e * expert_share / np.where(e <= plans.domain, link, network),
            0,
        ),
        context=np.where(c > 1, 16 * tokens * plans.of("kv_width") / t / link, 0),
        vocabulary=6 * hidden * vocabulary * tokens / t / peak,
        logits=tokens * vocabulary * 4 / t / memory,
        stage_traffic=np.where(
            p > 1, tokens * hidden * 2 * plans.virtual_pipeline / np.where(p * t <= plans.domain, link, network), 0
        ),
        gather=np.where((plans.zero >= 3) & (plans.data > 1), 6 * own_dense / fabric, 0),
        reduction=np.where(
            plans.zero < 3,
            4 * own_dense * (1 - 1 / plans.data) / fabric + 4 * own_experts * (1 - 1 / replicas) / fabric,
            0,
        ),
        optimizer=(own_dense / np.where(sharded, plans.data, 1) + own_experts / np.where(sharded, replicas, 1))
        * 2
        / memory,
        thin=1024 * t / hidden,
        thin_experts=np.where(experts > 0, 1024 / np.maximum(plans.of("expert_ffn"), 1), 0),
        short=1024 / tokens,
        recompute=1 + plans.checkpointing / 3,
        log_speedup=np.log(plans.speedup),
        four_bits=(plans.precision == "4").astype(float),
        log_tensor=np.log2(t),
        passes=np.maximum(plans.global_batch / (plans.micro_batch * plans.data), 1),
        stages=p,
        rounds=plans.virtual_pipeline,
        layers_per_stage=layers / p,
    )


def _inner(ffn: int | None, hidden: int) -> float:
    return float(4 * hidden if ffn is None else ffn)
