"""Recipes of generated instances: the same recipe makes the same instance, byte for byte."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from optsched.instance import Instance, validate
from optsched.instance.generators.network import on_network
from optsched.instance.generators.workload import generate
from optsched.prediction.curves.base import Positive, PositiveInt
from optsched.prediction.curves.fitted import CurveFile
from optsched.schedule.generate import timed

__all__ = ["Network", "Recipe", "made"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records of recipes."""


class Network(_Record, frozen=True):
    """The network that an instance is put on (:func:`optsched.search.placement.on_network`)."""

    racks: PositiveInt
    gbps: Positive
    oversubscription: Positive = 1.0
    server_gpus: PositiveInt | None = None
    measured_gbps: Positive | None = None
    decides: Literal["placement", "network"] = "network"


class Recipe(_Record, frozen=True):
    """Parameters of :func:`optsched.instance.generators.workload.generate`, and the changes made to its instance."""

    jobs: int
    gpus: dict[str, int]
    seed: int = 0
    name: str = ""
    decides: Literal["counts", "placement"] = "counts"
    network: Network | None = None
    hours: float | None = None
    load: float = 1.0


def made(recipe: Recipe, curves: CurveFile) -> Instance:
    """Make an instance by its recipe."""
    instance = generate(curves, recipe.gpus, recipe.jobs, recipe.seed, recipe.name)
    if recipe.hours is not None:
        instance = timed(instance, recipe.hours, recipe.load, recipe.seed)
    if recipe.network is not None:
        wanted: dict[str, Any] = msgspec.structs.asdict(recipe.network)
        return on_network(instance, wanted.pop("racks"), **wanted)
    if recipe.decides != instance.decides:
        instance = validate(msgspec.structs.replace(instance, decides=recipe.decides))
    return instance
