"""What bounds a configuration's speed, and what would raise it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from optsched.advise.known import Known
from optsched.advise.records import Lever, Limit
from optsched.advise.work import Work
from optsched.prediction.curves import AllReduce, Curve
from optsched.prediction.curves.configurations import Points

__all__ = ["levers_of", "limits_of"]

_NOTABLE = 0.05
"""Gain or share below which nothing is said."""
_VISIBLE = 0.005
"""Share of communication below which nothing is said."""


def limits_of(of: Known, point: Points, work: Work, fits_more: bool = False) -> tuple[Limit, ...]:
    """Return what bounds the speed of one configuration, the largest share of its time first.

    Communication: the part of a step that would be gone on an infinitely fast network. Compute: the rest. Batch
    efficiency: the part of the examples that are needed because the batch is larger than the reference. Memory: what
    twice the local batch would save, where it does not fit.
    """
    rate = _rate(of.curve, point)
    alone = _rate(_without_communication(of.curve), point)
    limits = []
    if np.isfinite(alone):
        waiting = float(np.clip(1 - rate / alone, 0.0, 1.0))
        if waiting >= _VISIBLE:
            limits.append(_limit("communication", waiting, f"{waiting:.0%} of each step waits for communication"))
        limits.append(_limit("compute", 1 - waiting, f"{1 - waiting:.0%} of each step is computation"))
    else:
        limits.append(_limit("unknown", 1.0, "the curve does not tell computation from communication"))
    lost = 1 - float(min(work.examples(point.examples()).efficiency[0], 1.0))
    if lost > _NOTABLE:
        text = f"{lost:.0%} of the examples are needed only because the batch is that large"
        limits.append(_limit("batch efficiency", lost, text))
    most = of.local_batches[1]
    if not fits_more and float(point.local_batch[0]) > 0.9 * most:
        double = replace(point, local_batch=2 * point.local_batch)
        saved = 1 - _speed(of.curve, point, work) / max(_speed(of.curve, double, work), 1e-300)
        if saved > _NOTABLE:
            text = f"twice the batch per GPU would save {saved:.0%} of the time, and is not known to fit the memory"
            limits.append(_limit("memory", saved, text))
    return tuple(sorted(limits, key=lambda limit: -limit.share))


def _limit(name: str, share: float, text: str) -> Limit:
    return msgspec.convert({"name": name, "share": round(share, 4), "text": text}, Limit)


def levers_of(of: Known, point: Points, work: Work, others: dict[str, Known], gpu_type: str) -> tuple[Lever, ...]:
    """Return changes that would make one configuration faster, by their factor on its speed.

    A faster network, twice the GPUs, twice the batch per GPU (memory), and other GPU types of the same shape.
    """
    now = _speed(of.curve, point, work)
    found: list[tuple[str, float]] = []
    if float(point.nodes[0]) > 1 and isinstance(of.curve, AllReduce):
        change, factor = _faster_network(of, point)
        found.append((change, factor))
    twice = replace(
        point, gpus=2 * point.gpus, nodes=np.where(point.nodes > 1, 2 * point.nodes, np.minimum(2 * point.nodes, 2))
    )
    dense = replace(point, gpus=2 * point.gpus, max_per_node=point.max_per_node * 2)
    more = max(_speed(of.curve, twice, work), _speed(of.curve, dense, work) if point.nodes[0] == 1 else 0.0)
    found.append((f"{int(2 * point.gpus[0])} GPUs in place of {int(point.gpus[0])}", more / now))
    larger = replace(point, local_batch=2 * point.local_batch)
    if np.isfinite(point.local_batch[0]):
        found.append(("memory for twice the batch per GPU", _speed(of.curve, larger, work) / now))
    for name, other in others.items():
        if name != gpu_type and not other.source and other.local_batches[1] >= float(point.local_batch[0]):
            found.append((f"{name} in place of {gpu_type}", _speed(other.curve, point, work) / now))
    good = [(change, factor) for change, factor in found if np.isfinite(factor) and factor > 1 + _NOTABLE]
    good.sort(key=lambda pair: -pair[1])
    return tuple(
        Lever(change=change, factor=round(factor, 3), text=f"{change}: {factor:.2g} times as fast")
        for change, factor in good[:4]
    )


def _rate(curve: Curve | None, point: Points) -> float:
    """Return examples/s of one configuration; nan where none is known."""
    return float("nan") if curve is None else float(curve.throughput(point)[0])


def _speed(curve: Curve, point: Points, work: Work) -> float:
    """Return the progress of one configuration: the inverse of its time; 0 where none is known."""
    rate = _rate(curve, point)
    return rate / float(work.examples(point.examples()).examples[0]) if np.isfinite(rate) else 0.0


def _without_communication(curve: Curve) -> Curve | None:
    """Return a curve on an infinitely fast network; None where the family does not tell."""
    if not isinstance(curve, AllReduce):
        return None
    return msgspec.structs.replace(curve, sync_s=0.0, local_sync_s=0.0)


def _faster_network(of: Known, point: Points) -> tuple[str, float]:
    """Return 25 Gb/s more, or a network twice as fast where its rate is not known, and the factor on the speed."""
    curve = of.curve
    assert isinstance(curve, AllReduce)
    before = _rate(curve, point)
    if curve.reference_gbps is not None:
        gbps = np.where(np.isnan(point.gbps), curve.reference_gbps, point.gbps)
        return "+25 Gb/s", _rate(curve, replace(point, gbps=gbps + 25.0)) / before
    faster = msgspec.structs.replace(curve, sync_s=curve.sync_s / 2)
    return "a network twice as fast", _rate(faster, point) / before
