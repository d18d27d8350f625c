"""Advice for language models: which parallelism plan on which GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.advise.choose import choose
from optsched.advise.evaluate import Evaluated, chance_over
from optsched.advise.offers import Offer
from optsched.errors import InputError, shown
from optsched.prediction.curves.base import Z80
from optsched.prediction.language_models import LanguageModels, architecture_of
from optsched.prediction.language_models.enumerate import Ranked, rank, refused
from optsched.prediction.language_models.hardware import GPUS, gpu_of

__all__ = ["PlanAdvice", "PlanOption", "advise_plans", "is_language_model", "offers_of_types"]

_TOKENS = 1e9
"""Tokens that times and costs are given for where the work is not known."""
_EACH = 40
"""Most plans of one number of GPUs that are compared: the fastest."""


class PlanOption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One plan, and what it is expected to take; the fields of ``Option``, with the plan's degrees and memory.

    iteration_s, iteration_low_s, iteration_high_s
        Median seconds of an iteration, and their 80 % interval.
    memory_gb
        On the most loaded GPU.
    """

    model: str
    gpu_type: str
    gpus: int
    nodes: int
    tensor: int
    pipeline: int
    data: int
    expert: int = 1
    micro_batch: int
    zero: int
    checkpointing: bool
    seq: int
    global_batch: int
    memory_gb: float
    iteration_s: float
    iteration_low_s: float
    iteration_high_s: float
    tokens_s: float
    time_s: float
    time_low_s: float
    time_high_s: float
    gpu_hours: float
    hourly_price: float | None = None
    cost: float | None = None
    risk: float | None = None

    def where(self) -> str:
        """Return the plan as words."""
        expert = f", expert {self.expert}" if self.expert > 1 else ""
        kept = ", recomputed activations" if self.checkpointing else ""
        degrees = f"tensor {self.tensor}, pipeline {self.pipeline}, data {self.data}{expert}"
        return f"{self.gpus} x {self.gpu_type}: {degrees}, micro-batch {self.micro_batch}, ZeRO {self.zero}{kept}"


class PlanAdvice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Advice for a language model; fields as those of ``Advice``."""

    format: Literal["optsched-plan-advice/1"] = "optsched-plan-advice/1"
    model: str
    work: str
    deadline_s: float | None
    budget: float | None
    candidates: int
    recommended: PlanOption
    reason: str
    front: tuple[PlanOption, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def is_language_model(name: str) -> bool:
    """Tell whether a name is that of a language model whose architecture is known."""
    return architecture_of(name) is not None


def advise_plans(
    models: LanguageModels,
    model: str,
    offers: Sequence[Offer],
    *,
    gpus: Sequence[int] = (),
    seq: int = 4096,
    global_batch: int = 256,
    tokens: float | None = None,
    deadline_s: float | None = None,
    budget: float | None = None,
) -> PlanAdvice:
    """Return which parallelism plan to train a language model with, and the plans that are not dominated.

    Of every offer and number of GPUs all plans that fit the memory are predicted.

    Parameters
    ----------
    gpus
        Numbers of GPUs; none: powers of two up to what the offer holds.
    seq, global_batch
        Tokens of a sequence, and sequences of an iteration.
    tokens
        Tokens to train on; None: times and costs are for a billion.

    Raises
    ------
    InputError
        For an unknown model or GPU type, or where no plan fits.
    """
    if not is_language_model(model):
        raise InputError("a language model whose architecture is known", path="--model", value=shown(model))
    options: list[PlanOption] = []
    deviations: list[float] = []
    said: list[str] = []
    iterations = (tokens or _TOKENS) / (seq * global_batch)
    for offer in offers:
        for count in gpus or _powers(offer.capacity):
            base = _base(model, offer, count, seq, global_batch)
            if base is None:
                said.append(f"{count} x {offer.name}: not that many, or not as equal parts of servers")
                continue
            try:
                ranked = rank(models, base)
            except InputError as error:
                if offer.capacity and gpu_of(offer.gpu_type) is None:
                    raise
                said.append(f"{count} x {offer.name}: {error}")
                continue
            plain = {**base, "micro_batch": 1.0, "tensor": 1.0, "pipeline": 1.0, "zero": 1.0, "checkpointing": "false"}
            if text := _refused(plain):
                said.append(f"{count} x {offer.name}, data-parallel alone with ZeRO 1: {text}")
            for k in range(min(_EACH, len(ranked.plans))):
                options.append(_option(ranked, k, model, offer, base, iterations))
                deviations.append(float(np.log(ranked.high[k] / ranked.low[k])) / (2 * Z80))
    if not options:
        raise InputError(f"a plan that fits ({'; '.join(said[:3]) or 'no GPUs'})", path="--gpus")
    evaluated = _evaluated(options, np.array(deviations), deadline_s, budget)
    if budget is not None and not np.isfinite(evaluated.hourly_price).any():
        raise InputError("--prices or a --cluster with prices, without which a budget means nothing", path="--budget")
    choice = choose(evaluated, np.array([float(o.gpus) for o in options]), deadline_s, budget)
    limited = deadline_s is not None or budget is not None
    front = tuple(_risked(options[k], evaluated, k, limited) for k in choice.front.tolist())
    best = front[choice.front.tolist().index(choice.row)]
    notes = [f"sequences of {seq} tokens, {global_batch} of them an iteration, 16-bit precision"]
    if tokens is None:
        notes.append("the work is not named (--tokens): times and costs are for a billion tokens")
    return PlanAdvice(
        model=model,
        work=f"{tokens or _TOKENS:g} tokens",
        deadline_s=deadline_s,
        budget=budget,
        candidates=len(options),
        recommended=best,
        reason=f"{best.where()}: {choice.reason}",
        front=front,
        left_out=tuple(dict.fromkeys(said)),
        notes=tuple(notes),
    )


def offers_of_types(gpu_types: Sequence[str], gpus: Sequence[int]) -> tuple[Offer, ...]:
    """Return servers of eight GPUs of types that are named, as many as the largest number of GPUs takes.

    Raises
    ------
    InputError
        For a type whose data are not known.
    """
    found = []
    for name in gpu_types:
        known = gpu_of(name)
        if known is None:
            raise InputError(f"a GPU type whose data are known ({', '.join(GPUS)})", path="--gpu", value=shown(name))
        servers = -(-max(gpus or (64,)) // 8)
        found.append(Offer(known[0], known[0], np.full(servers, 8, dtype=np.int64), None, known[1].memory_gb))
    return tuple(found)


def _powers(capacity: int) -> list[int]:
    return [2**k for k in range(capacity.bit_length()) if 2**k <= capacity]


def _base(model: str, offer: Offer, count: int, seq: int, global_batch: int) -> dict[str, Any] | None:
    """Return the record that plans of so many GPUs share; None where they are not equal parts of equal servers."""
    each = int(offer.sizes[0])
    servers = -(-count // each)
    if count > offer.capacity or count % servers:
        return None
    return {
        "model": model,
        "gpu_type": offer.gpu_type,
        "gpus": float(count),
        "gpus_per_node": float(count // servers),
        "seq": float(seq),
        "global_batch": float(global_batch),
        "precision": "bf16",
    }


def _refused(record: dict[str, Any]) -> str:
    """Return why a plan does not fit; empty for one that fits, or whose replicas do not divide the batch."""
    try:
        return refused(record)
    except InputError:
        return ""


def _option(ranked: Ranked, k: int, model: str, offer: Offer, base: dict[str, Any], iterations: float) -> PlanOption:
    p = ranked.plans
    seconds, low, high = float(ranked.seconds[k]), float(ranked.low[k]), float(ranked.high[k])
    count = int(base["gpus"])
    return PlanOption(
        model=model,
        gpu_type=offer.name,
        gpus=count,
        nodes=round(count / base["gpus_per_node"]),
        tensor=int(p.tensor[k]),
        pipeline=int(p.pipeline[k]),
        data=int(p.data[k]),
        expert=int(p.expert[k]),
        micro_batch=int(p.micro_batch[k]),
        zero=int(p.zero[k]),
        checkpointing=bool(p.checkpointing[k]),
        seq=int(base["seq"]),
        global_batch=int(base["global_batch"]),
        memory_gb=round(float(ranked.memory.total[k]), 1),
        iteration_s=seconds,
        iteration_low_s=low,
        iteration_high_s=high,
        tokens_s=base["seq"] * base["global_batch"] / seconds,
        time_s=seconds * iterations,
        time_low_s=low * iterations,
        time_high_s=high * iterations,
        gpu_hours=count * seconds * iterations / 3600,
        hourly_price=None if offer.hourly_price is None else count * offer.hourly_price,
    )


def _evaluated(
    options: list[PlanOption], deviation: FloatArray, deadline_s: float | None, budget: float | None
) -> Evaluated:
    """Return time, cost and risk of plans, as of other configurations."""
    time = np.array([option.time_s for option in options])
    hourly = np.array([np.nan if o.hourly_price is None else o.hourly_price for o in options])
    limit = np.full(len(options), np.inf if deadline_s is None else deadline_s)
    if budget is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            limit = np.minimum(limit, np.where(hourly > 0, budget / hourly * 3600, np.inf))
    ones = np.ones(len(options))
    risk = chance_over(time, deviation, limit)
    rate = np.array([option.tokens_s for option in options])
    return Evaluated(rate, deviation, ones, time, deviation, hourly, hourly * time / 3600, risk)


def _risked(option: PlanOption, evaluated: Evaluated, k: int, limited: bool) -> PlanOption:
    """Return a plan with its cost and risk."""
    cost = float(evaluated.cost[k])
    return msgspec.structs.replace(
        option,
        cost=cost if np.isfinite(cost) else None,
        risk=round(float(evaluated.risk[k]), 6) if limited else None,
    )
