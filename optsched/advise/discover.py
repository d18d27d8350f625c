"""Which models reach a quality, and what training each would cost on the user's GPU."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from math import exp, hypot, log
from statistics import NormalDist

import msgspec

from optsched.advise.catalogue import Model
from optsched.errors import InputError, shown
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.columns import same_type

__all__ = ["ASSUMED_PRICES", "MOVED", "Discovered", "Found", "discover", "moved_rate"]

_BANDWIDTH = {
    "k80": 0.24,
    "p100": 0.73,
    "v100": 0.9,
    "t4": 0.32,
    "rtx 2080 ti": 0.616,
    "rtx 3080": 0.76,
    "rtx 3090": 0.936,
    "rtx 4090": 1.01,
    "rtx a6000": 0.77,
    "a10": 0.6,
    "a10g": 0.6,
    "a40": 0.7,
    "l4": 0.3,
    "l40s": 0.86,
    "a100": 1.55,
    "a100-40": 1.55,
    "a100-80": 2.0,
    "h100": 3.35,
    "h200": 4.8,
    "b200": 8.0,
}
"""Memory bandwidth by data sheet (TB/s)."""
ASSUMED_PRICES = {
    "k80": 0.3,
    "p100": 0.6,
    "v100": 1.5,
    "t4": 0.35,
    "rtx 2080 ti": 0.15,
    "rtx 3080": 0.15,
    "rtx 3090": 0.2,
    "rtx 4090": 0.4,
    "rtx a6000": 0.6,
    "a10": 0.75,
    "a10g": 1.0,
    "a40": 0.6,
    "l4": 0.7,
    "l40s": 1.2,
    "a100": 2.0,
    "a100-40": 1.7,
    "a100-80": 2.2,
    "h100": 3.5,
    "h200": 4.5,
    "b200": 7.0,
}
"""Hourly prices of one GPU that are assumed where none is given: round numbers in US dollars, no offers."""
MOVED = 0.35
"""Standard deviation of the log of a rate moved to another GPU type by the memory bandwidth.

On fitted curves of three models that keep the GPU busy (image classification twice, BERT; T4, RTX 2080 Ti, V100, A100)
it is 0.16; models that wait for their host are further off.
"""
_RATE = 0.1
"""The same of a rate on the GPU type where it was measured: software and data loading differ."""
_EPOCHS = 0.35
"""Standard deviation of the log of the epochs of a recipe that does not name them."""
_PLAUSIBLE = 0.1
"""Chance to stay within the budget below which a model is left out."""


class Found(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of the catalogue, and what reaching its quality takes on one GPU.

    time_s, cost
        Median, with the ends of the 80 % interval.
    chance
        Chance that the cost stays within the budget; None without one.
    advise
        Arguments of ``optsched advise`` that go on from here.
    """

    model: Model
    gpu_type: str
    moved: bool
    examples_s: float
    time_s: float
    time_low_s: float
    time_high_s: float
    hourly_price: float
    cost: float
    cost_low: float
    cost_high: float
    chance: float | None
    advise: tuple[str, ...]


class Discovered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models by what they cost, the cheapest first.

    models
        Those that reach the accuracy and stay within the budget with a chance of at least 10 %.
    over_budget
        The cheapest that reaches the accuracy where none does within the budget.
    best_quality
        The best quality in the catalogue for the task.
    """

    format: str = "optsched-discovered/1"
    task: str
    accuracy: float | None
    budget: float | None
    models: tuple[Found, ...]
    over_budget: Found | None
    best_quality: float
    notes: tuple[str, ...]


def discover(
    catalogue: Sequence[Model],
    task: str,
    *,
    accuracy: float | None = None,
    budget: float | None = None,
    gpu_type: str | None = None,
    hourly_price: float | None = None,
) -> Discovered:
    """Return the models of a task that reach an accuracy within a budget, by their cost on one GPU.

    Parameters
    ----------
    accuracy
        Least published quality; None: any.
    budget
        Most that the training may cost; models that keep it with a chance of less than 10 % are left out. None: any.
    gpu_type
        The user's GPU; None: each on the GPU it was measured on.
    hourly_price
        Of one GPU; None: an assumed one, which is said.

    Raises
    ------
    InputError
        For a task that the catalogue does not know, or a GPU type of which nothing is known.
    """
    tasks = sorted({model.task for model in catalogue})
    chosen = {name.lower(): name for name in tasks}.get(" ".join(task.lower().split()))
    if chosen is None:
        near = get_close_matches(task.lower(), tasks, n=3, cutoff=0.3) or tasks
        raise InputError(f"a task of the catalogue: {', '.join(near)}", path="--task", value=shown(task))
    own = [model for model in catalogue if model.task == chosen]
    good = [model for model in own if accuracy is None or model.quality >= accuracy]
    found = sorted(
        (_costed(model, gpu_type or model.gpu_type, hourly_price, budget) for model in good),
        key=lambda one: (one.cost, -one.model.quality, one.model.name),
    )
    within = tuple(one for one in found if one.chance is None or one.chance >= _PLAUSIBLE)
    notes = [] if within or accuracy is None or good else [f"no model of the catalogue reaches {accuracy:g}"]
    if hourly_price is None and found:
        assumed = sorted({(one.gpu_type, one.hourly_price) for one in found})
        notes.append("assumed prices: " + ", ".join(f"{price:g} an hour for {name}" for name, price in assumed))
    if any(one.moved for one in within or found):
        notes.append("rates are moved from the GPU where they were measured by the memory bandwidth of the data sheets")
    if any(not one.model.epochs_known for one in within or found):
        notes.append("recipes that do not name their epochs are taken to have the catalogue's, within a factor of 1.6")
    return Discovered(
        task=chosen,
        accuracy=accuracy,
        budget=budget,
        models=within,
        over_budget=found[0] if found and not within else None,
        best_quality=max(model.quality for model in own),
        notes=tuple(notes),
    )


def moved_rate(model: Model, gpu_type: str) -> tuple[float, bool]:
    """Return examples/s of a model on one GPU of a type, and whether they are moved from the type that was measured.

    Raises
    ------
    InputError
        For a type of which nothing is known.
    """
    if same_type(gpu_type) == same_type(model.gpu_type):
        return model.examples_s, False
    ratio = _looked_up(_BANDWIDTH, gpu_type) / _looked_up(_BANDWIDTH, model.gpu_type)
    return model.examples_s * ratio, True


def _costed(model: Model, gpu_type: str, hourly_price: float | None, budget: float | None) -> Found:
    """Return what a model takes on one GPU."""
    rate, moved = moved_rate(model, gpu_type)
    price = _looked_up(ASSUMED_PRICES, gpu_type, "--price") if hourly_price is None else hourly_price
    time = model.examples / rate
    deviation = hypot(MOVED if moved else _RATE, 0.0 if model.epochs_known else _EPOCHS)
    reach = exp(Z80 * deviation)
    hourly = price / 3600
    arguments = ["--model", model.name, "--examples", f"{model.examples:.4g}", "--gpu", gpu_type]
    if model.parameters_m is not None:
        arguments += ["--parameters-m", f"{model.parameters_m:g}"]
    return Found(
        model=model,
        gpu_type=gpu_type,
        moved=moved,
        examples_s=rate,
        time_s=time,
        time_low_s=time / reach,
        time_high_s=time * reach,
        hourly_price=price,
        cost=hourly * time,
        cost_low=hourly * time / reach,
        cost_high=hourly * time * reach,
        chance=None if budget is None else _chance_within(budget, hourly * time, deviation),
        advise=tuple(arguments),
    )


def _chance_within(budget: float, cost: float, deviation: float) -> float:
    """Return the chance that a log-normal cost stays within a budget."""
    if cost <= 0 or budget <= 0:
        return 1.0 if cost <= budget else 0.0
    return round(NormalDist().cdf(log(budget / cost) / deviation), 4)


def _looked_up(table: dict[str, float], gpu_type: str, option: str = "--gpu") -> float:
    """Return a number of a GPU type, however it is spelled.

    Raises
    ------
    InputError
        For a type that the table does not know.
    """
    plain = {same_type(name): value for name, value in table.items()}
    name = same_type(gpu_type)
    if name not in plain:
        near = sorted(plain, key=lambda other: (-_alike(name, other), other))[:4]
        spelled = {same_type(key): key for key in table}
        known = ", ".join(spelled[other] for other in near)
        raise InputError(f"a GPU type whose data are known ({known}, ...)", path=option, value=shown(gpu_type))
    return plain[name]


def _alike(a: str, b: str) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, a, b).ratio()
