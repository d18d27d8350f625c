"""What is known of a model on each GPU type: its own curve, what relatives teach, or the nearest known model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from optsched.advise.nearest import Facts, nearest_model
from optsched.errors import InputError, shown
from optsched.prediction.curves import AllReduce, Curve, ParameterServer
from optsched.prediction.curves.columns import same_type
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fitted import CurveFile, Fitted

__all__ = ["Known", "known_on"]

_OTHER_MODEL = 0.5
"""Standard deviation of the log of a throughput that the nearest model tells, beyond what its own curve leaves open."""


@dataclass(frozen=True)
class Known:
    """The curve of a model on a GPU type.

    local_batches
        Least and most examples per GPU that are believed to run.
    max_gpus
        Most GPUs that were measured; 0 where the pair was not.
    most_servers
        Most parameter servers to try, for curves of parameter servers.
    extra
        Standard deviation of the log of the throughput beyond what the curve says.
    source
        Where the curve comes from, for people; empty for one fitted to the pair's own rows.
    """

    curve: Curve
    local_batches: tuple[float, float]
    max_gpus: int
    most_servers: int = 8
    extra: float = 0.0
    source: str = ""

    @property
    def knows_network(self) -> bool:
        """Whether the curve tells what another network rate does."""
        return getattr(self.curve, "reference_gbps", None) is not None

    @property
    def served(self) -> bool:
        """Whether training is by parameter servers."""
        return isinstance(self.curve, ParameterServer)


def known_on(
    file: CurveFile, model: str, gpu_types: Iterable[str], variant: str = "", facts: Facts | None = None
) -> dict[str, Known]:
    """Return what is known of a model on GPU types; those of which nothing is known are left out.

    A pair that was measured has its own curve. A measured model on another GPU type has the curve that the other pairs
    of the file teach; a model that was not measured has that of the nearest model, wider.

    Raises
    ------
    InputError
        Where nothing is known of the model on any of the GPU types.
    """
    own = _own(file, model, variant)
    found: dict[str, Known] = {}
    for gpu_type in dict.fromkeys(gpu_types):
        fitted = _on(own, gpu_type)
        if fitted is not None:
            found[gpu_type] = Known(fitted.curve, fitted.local_batches, fitted.max_gpus)
        elif own and file.population is not None:
            found[gpu_type] = _taught(file, own, model, gpu_type)
        elif not own and (guess := _guessed(file, model, gpu_type, facts)) is not None:
            found[gpu_type] = guess
    if not found:
        there = ", ".join(sorted({fitted.name for fitted in file.curves})[:8]) or "no curves"
        asked = f"{model} on {', '.join(dict.fromkeys(gpu_types)) or 'any GPU type'}"
        raise InputError(
            f"a model and a GPU type of which the curves tell ({there})", path="--model", value=shown(asked)
        )
    return found


def _own(file: CurveFile, model: str, variant: str) -> list[Fitted]:
    """Return a model's curves of one variant: the one named, or else its only or first."""
    mine = [fitted for fitted in file.curves if fitted.model == model]
    named = [fitted for fitted in mine if fitted.variant == variant]
    if named or not mine:
        return named
    first = sorted({fitted.variant for fitted in mine})[0]
    return [fitted for fitted in mine if fitted.variant == first]


def _on(curves: list[Fitted], gpu_type: str) -> Fitted | None:
    """Return the curve on a GPU type, however it is spelled."""
    exact = next((fitted for fitted in curves if fitted.gpu_type == gpu_type), None)
    return exact or next((fitted for fitted in curves if same_type(fitted.gpu_type) == same_type(gpu_type)), None)


def _taught(file: CurveFile, own: list[Fitted], model: str, gpu_type: str) -> Known:
    """Return the curve of a measured model on a GPU type on which it was not measured."""
    low = min(fitted.local_batches[0] for fitted in own)
    high = min(fitted.local_batches[1] for fitted in own)  # what fits the smallest memory
    measured = ", ".join(sorted({fitted.gpu_type for fitted in own}))
    source = f"{model} was not measured on {gpu_type}: its curve there follows from {measured} and from other models"
    return Known(_believed(file, model, gpu_type), (low, max(high, low)), 0, source=source)


def _believed(file: CurveFile, model: str, gpu_type: str) -> AllReduce:
    """Return the curve of a pair without measurements, as the file's population has it."""
    from optsched.prediction.curves.allreduce.compress import compress
    from optsched.prediction.curves.allreduce.measured import merge
    from optsched.prediction.curves.allreduce.population import from_record, prior_for
    from optsched.prediction.curves.allreduce.posterior import fit

    assert file.population is not None
    nothing = merge(Points.of(np.empty(0), nodes=np.empty(0), local_batch=np.empty(0)), np.empty(0))
    return compress(fit(nothing, prior_for(from_record(file.population), model, gpu_type)))


def _guessed(file: CurveFile, model: str, gpu_type: str, facts: Facts | None) -> Known | None:
    """Return the curve of the nearest measured model, scaled by the work of an example and the size of the gradient."""
    here = [fitted for fitted in file.curves if same_type(fitted.gpu_type) == same_type(gpu_type)]
    pool = [fitted for fitted in here or file.curves if isinstance(fitted.curve, AllReduce)]
    if not pool:
        return None
    near = nearest_model(model, sorted({fitted.model for fitted in pool}), facts)
    of = next(fitted for fitted in pool if fitted.model == near.model)
    curve = of.curve if here or file.population is None else _believed(file, of.model, gpu_type)
    assert isinstance(curve, AllReduce)
    times = {
        "example_s": curve.example_s * near.work,
        "pass_s": curve.pass_s * max(near.work, 0.25) ** 0.5,
        "sync_s": curve.sync_s * near.size,
        "local_sync_s": curve.local_sync_s * near.size,
    }
    scaled = msgspec.structs.replace(curve, **times)
    low, high = of.local_batches
    most = max(low, high / max(near.work, 1e-9)) if near.work > 1 else high
    place = gpu_type if here else "other GPU types"
    source = f"{model} was not measured: {near.reason}, on {place}; measure one row to be surer"
    known = Known(scaled, (low, float(most)), 0, extra=near.deviation, source=source)
    return known if here else replace(known, extra=float(np.hypot(known.extra, _OTHER_MODEL)))
