"""Rounds: read the objects, plan, write boosts. What is not written in time is written in the next round."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from optsched.errors import InputError
from optsched.integrations.kueue.api import ApiError
from optsched.integrations.kueue.boosts import Boost, boosts_of
from optsched.integrations.kueue.gates import GATE, places_of
from optsched.integrations.kueue.view import HOST, View, view_of
from optsched.integrations.objects import Object, by_kind
from optsched.prediction.curves import Curve
from optsched.scheduler import Plan, Scheduler

__all__ = ["Round", "carry_out", "planned"]


class System(Protocol):
    """What is told of a plan."""

    def boost(self, workload: str, value: str | None) -> None:
        """Write a boost, or take it away."""

    def place(self, pod: Object, node_labels: Mapping[str, str], gate: str) -> None:
        """Let a gated pod go to nodes with these labels."""


@dataclass(frozen=True)
class Round:
    """A plan, the boosts by which Kueue follows it, pods that can go with their nodes' host names, and notes."""

    plan: Plan | None
    boosts: tuple[Boost, ...] = ()
    places: tuple[tuple[Object, str], ...] = ()
    notes: tuple[str, ...] = ()


def planned(
    objects: Sequence[Object],
    curves: Mapping[str, Curve] | None = None,
    *,
    resource: str = "nvidia.com/gpu",
    gates: bool = False,
    **settings: Any,
) -> Round:
    """Return what is to be written.

    Parameters
    ----------
    objects
        Workloads, cluster queues, local queues, resource flavors, nodes and pods.
    gates
        Whether gated pods of admitted gangs get their nodes; the plan then decides on places.
    settings
        Arguments of :class:`optsched.Scheduler`.
    """
    try:
        view = view_of(objects, (curves or {}).keys(), resource)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"objects as their definitions have them ({error})") from None
    notes = list(view.notes)
    if view.cluster is None:
        return Round(None, notes=(*notes, f"no node has {resource} in a flavor of a cluster queue"))
    decides: Literal["counts", "placement"] = "placement" if gates else "counts"
    scheduler = Scheduler(view.cluster, curves=curves, decides=decides, tenants=view.tenants, **settings)
    plan, view = _plan(scheduler, view, notes)
    boosts = boosts_of(plan, view)
    places: list[tuple[Object, str]] = []
    if gates:
        kinds = by_kind(objects)
        places, more = places_of(plan, view, kinds.get("Pod", ()), kinds.get("Node", ()), resource)
        notes += more
    return Round(plan, tuple(boosts), tuple(places), (*notes, *plan.warnings))


def _plan(scheduler: Scheduler, view: View, notes: list[str]) -> tuple[Plan, View]:
    """Return the plan, without the jobs that cannot be planned."""
    jobs = list(view.jobs)
    while True:
        try:
            return scheduler.step(now=time.time(), jobs=jobs), view
        except InputError as error:
            found = re.match(r"\$\.jobs\[(\d+)\]", error.path)
            if found is None:
                raise
            notes.append(f"workload {jobs.pop(int(found[1])).id} is left alone: {error}")


def carry_out(done: Round, system: System) -> list[str]:
    """Write boosts, and let pods go; return what could not be done, with the reason.

    A workload or pod that is gone, or that has changed, is passed over.
    """
    missed = []
    for boost in done.boosts:
        if boost.changes:
            try:
                system.boost(boost.workload, boost.after)
            except ApiError as error:
                missed.append(f"{boost.workload}: {error}")
    for pod, host in done.places:
        try:
            system.place(pod, {HOST: host}, GATE)
        except ApiError as error:
            missed.append(f"pod {pod['metadata'].get('name')}: {error}")
    return missed
