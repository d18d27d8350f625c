"""Gangs whose pods wait behind a scheduling gate: which node each of them goes to."""

from __future__ import annotations

from collections.abc import Sequence

from optsched.errors import InputError
from optsched.integrations.kueue.view import HOST, OWNER, View
from optsched.integrations.objects import Object, gpus_of_pod, label
from optsched.scheduler import Plan

__all__ = ["GATE", "places_of"]

GATE = "optsched/placement"
"""The scheduling gate that a job's pod template has, if optsched shall place its pods."""


def places_of(
    plan: Plan, view: View, pods: Sequence[Object], nodes: Sequence[Object], resource: str
) -> tuple[list[tuple[Object, str]], list[str]]:
    """Return the gated pods of admitted workloads with the host name of the node where each goes, and notes.

    A gang goes whole: where its pods do not make up what the plan has on each node, none of them does.
    """
    hosts = {str(node["metadata"]["name"]): label(node, HOST) or str(node["metadata"]["name"]) for node in nodes}
    held = {job.id: job.holds.gpu_type for job in view.jobs if job.holds is not None}
    found: list[tuple[Object, str]] = []
    notes: list[str] = []
    for a in plan.allocations:
        if held.get(a.job) != a.gpu_type or not a.placement:  # Kueue has given it the nodes of one flavor
            continue
        own = sorted(
            (pod for pod in pods if _is_of(pod, a.job) and _gated(pod)), key=lambda p: str(p["metadata"]["name"])
        )
        if not own:
            continue
        left = dict(sorted(a.placement.items()))
        placed: list[tuple[Object, str]] = []
        for pod in own:
            gpus = gpus_of_pod(pod["spec"], resource)
            node = next((name for name, free in left.items() if free >= gpus), None)
            if node is None or gpus == 0:
                break
            left[node] -= gpus
            placed.append((pod, hosts[node]))
        if len(placed) < len(own) or any(left.values()):
            notes.append(f"pods of {a.job} stay gated: they do not make up {a.placement}")
        else:
            found += placed
    return found, notes


def _is_of(pod: Object, workload: str) -> bool:
    meta = pod["metadata"]
    return f"{meta.get('namespace', 'default')}/{label(pod, OWNER)}" == workload


def _gated(pod: Object) -> bool:
    gates = (pod.get("spec") or {}).get("schedulingGates") or ()
    if not isinstance(gates, Sequence):
        raise InputError("a list", path="spec.schedulingGates", value=repr(gates))
    return any(gate.get("name") == GATE for gate in gates)
