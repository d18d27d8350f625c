"""From objects of Kueue to a cluster, its tenants and jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from optsched._util.files import convert
from optsched.errors import InputError
from optsched.instance import Cluster, GpuType, ServerGroup, Tenant
from optsched.integrations.comment import MARK, described, told
from optsched.integrations.objects import Object, by_kind, gpus_of_pod, label
from optsched.scheduler import LiveJob

__all__ = ["ANNOTATION", "HOST", "OWNER", "View", "view_of"]

ANNOTATION = "optsched/job"
"""Annotation of a workload, or of its pods' template, with what a comment of Slurm has behind its first word."""
OWNED = "kueue.x-k8s.io/"
HOST = "kubernetes.io/hostname"
OWNER = "kueue.x-k8s.io/workload"
"""Annotation by which Kueue names the workload of a pod."""


@dataclass(frozen=True)
class View:
    """What Kueue manages, as the scheduler sees it.

    cluster
        GPU types are resource flavors, servers are nodes; None where there is no GPU.
    jobs, workloads
        By the names ``NAMESPACE/NAME``.
    tenants
        Cluster queues and cohorts, with their quotas.
    notes
        What was left out, and why.
    """

    cluster: Cluster | None
    jobs: list[LiveJob]
    workloads: dict[str, Object]
    tenants: tuple[Tenant, ...] = ()
    queues: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def view_of(objects: Sequence[Object], curves: Collection[str] = (), resource: str = "nvidia.com/gpu") -> View:
    """Return what the scheduler is told; objects of other kinds are passed over."""
    kinds = by_kind(objects)
    notes: list[str] = []
    queues = {_name(one): one.get("spec") or {} for one in kinds.get("ClusterQueue", ())}
    quotas = {name: dict(_quotas(spec, resource)) for name, spec in queues.items()}
    flavors = sorted({flavor for own in quotas.values() for flavor in own})
    labels = {_name(one): (one.get("spec") or {}).get("nodeLabels") or {} for one in kinds.get("ResourceFlavor", ())}
    servers = _servers(kinds, flavors, labels, quotas, resource, notes)
    there = sorted({group.gpu_type for group in servers if group.gpu_type is not None})
    local = {
        f"{_space(one)}/{_name(one)}": str((one.get("spec") or {}).get("clusterQueue"))
        for one in kinds.get("LocalQueue", ())
    }
    bound = _bound(kinds.get("Pod", ()), resource)
    known = {group.id for group in servers}
    jobs, workloads, of = [], {}, {}
    for one in kinds.get("Workload", ()):
        name = f"{_space(one)}/{_name(one)}"
        spec = one.get("spec") or {}
        if _is(one, "Finished") or spec.get("active") is False:
            continue
        try:
            queue = local.get(f"{_space(one)}/{spec.get('queueName')}")
            if queue not in quotas:
                raise InputError(
                    "a local queue of a cluster queue", path="spec.queueName", value=repr(spec.get("queueName"))
                )
            allowed = [flavor for flavor in quotas[queue] if flavor in there]
            job = _job(one, name, queue, allowed, curves, resource, bound.get(name, {}), known)
        except (AttributeError, InputError, KeyError, TypeError, ValueError) as error:
            notes.append(f"workload {name} is left alone: {error}")
            continue
        if job is not None:
            jobs.append(job)
            workloads[name], of[name] = one, queue
    cluster = None
    if servers:
        cluster = Cluster(gpu_types=tuple(GpuType(id=name) for name in there), servers=tuple(servers))
    return View(cluster, jobs, workloads, _tenants(queues, quotas, there), of, tuple(notes))


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name"))


def _space(one: Object) -> str:
    return str((one.get("metadata") or {}).get("namespace") or "default")


def _is(one: Object, condition: str) -> bool:
    conditions = (one.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == condition and c.get("status") == "True" for c in conditions)


def _quotas(spec: Mapping[str, Any], resource: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the quota of each flavor of a cluster queue, in the order in which Kueue tries them."""
    flavors = [flavor for group in spec.get("resourceGroups") or () for flavor in group.get("flavors") or ()]
    return [
        (str(flavor["name"]), dict(quota))
        for flavor in flavors
        for quota in flavor.get("resources") or ()
        if quota.get("name") == resource
    ]


def _servers(
    kinds: Mapping[str, list[Object]],
    flavors: Sequence[str],
    labels: Mapping[str, Mapping[str, str]],
    quotas: Mapping[str, Mapping[str, dict[str, Any]]],
    resource: str,
    notes: list[str],
) -> list[ServerGroup]:
    """Return nodes with GPUs as servers; without any node, the quotas of each flavor as one."""
    if not kinds.get("Node"):
        sizes: Counter[str] = Counter()
        for own in quotas.values():
            sizes.update({flavor: _count(quota.get("nominalQuota")) for flavor, quota in own.items()})
        return [ServerGroup(id=name, gpu_type=name, gpus=gpus) for name, gpus in sorted(sizes.items()) if gpus > 0]
    foreign: Counter[str] = Counter()
    for pod in kinds.get("Pod", ()):
        spec = pod.get("spec") or {}
        over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if not over and spec.get("nodeName") and not _of_kueue(pod):
            foreign[str(spec["nodeName"])] += gpus_of_pod(spec, resource)
    found = []
    for node in kinds["Node"]:
        name = _name(node)
        gpus = _count(((node.get("status") or {}).get("allocatable") or {}).get(resource)) - foreign[name]
        if gpus <= 0:
            continue
        if (node.get("spec") or {}).get("unschedulable") or not _is(node, "Ready"):
            notes.append(f"node {name} takes nothing new: it is not ready, or cordoned")
            continue
        own = (node.get("metadata") or {}).get("labels") or {}
        fitting = [f for f in flavors if all(own.get(key) == value for key, value in labels.get(f, {}).items())]
        if not fitting:
            notes.append(f"node {name} is left out: no flavor of a cluster queue has its labels")
            continue
        if len(fitting) > 1:
            notes.append(
                f"node {name} counts as {fitting[0]}, though it has the labels of {', '.join(fitting[1:])}, too"
            )
        found.append(ServerGroup(id=name, gpu_type=fitting[0], gpus=gpus))
    return found


def _bound(pods: Sequence[Object], resource: str) -> dict[str, dict[str, int]]:
    """Return on which nodes the pods of each workload have how many GPUs."""
    found: dict[str, Counter[str]] = {}
    for pod in pods:
        spec = pod.get("spec") or {}
        over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if (owner := label(pod, OWNER)) and spec.get("nodeName") and not over:
            gpus = gpus_of_pod(spec, resource)
            found.setdefault(f"{_space(pod)}/{owner}", Counter())[str(spec["nodeName"])] += gpus
    return {owner: {node: gpus for node, gpus in on.items() if gpus} for owner, on in found.items()}


def _of_kueue(pod: Object) -> bool:
    meta = pod.get("metadata") or {}
    return any(str(key).startswith(OWNED) for where in ("labels", "annotations") for key in meta.get(where) or ())


def _count(value: Any) -> int:
    """Return a quantity of GPUs; raise InputError for what is none."""
    text = str(0 if value is None else value)
    factor = 1000 if text.endswith("k") else 1
    text = text.removesuffix("k")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError("a whole number of GPUs", value=repr(value))
    return int(text) * factor


def _job(
    one: Object,
    name: str,
    queue: str,
    allowed: Sequence[str],
    curves: Collection[str],
    resource: str,
    bound: Mapping[str, int],
    known: Collection[str],
) -> LiveJob | None:
    """Return a workload as a job; None for one without GPUs."""
    spec = one["spec"]
    sets = spec.get("podSets") or ()
    templates = [part.get("template") or {} for part in sets]
    gpus = sum(
        int(part.get("count") or 0) * gpus_of_pod(template.get("spec") or {}, resource)
        for part, template in zip(sets, templates, strict=True)
    )
    if gpus == 0:
        return None
    words = next((text for each in (one, *templates) if (text := label(each, ANNOTATION))), "")
    said = told(f"{MARK} {words}") or {}
    fields = described(said, _name(one), gpus, allowed, curves)
    fields |= {"id": name, "tenant": queue, "arrival_s": _seconds(one), "current": None}
    if fields.get("min_gpus") != gpus or fields.get("max_gpus") != gpus:
        fields |= {"min_gpus": gpus, "max_gpus": gpus}  # how many pods there are is not Kueue's to change
    if "configurations" in fields:
        fields["configurations"] = [c for c in fields["configurations"] if c["gpus"] == gpus]
        if not fields["configurations"]:
            raise InputError(f"throughput on {gpus} GPUs, which it has", path=ANNOTATION)
    held = _admitted(one, resource)
    if len(held) > 1:
        raise InputError("one flavor for all its pods", path="status.admission", value=", ".join(sorted(held)))
    for flavor in held:
        if flavor not in allowed:
            raise InputError("a flavor of its queue that has nodes", path="status.admission", value=repr(flavor))
        fields["current"] = {"gpu_type": flavor, "gpus": gpus}
        if sum(bound.values()) == gpus and all(node in known for node in bound):
            fields["current"] |= {"placement": dict(bound), "nodes": len(bound)}
    return convert(fields, LiveJob)


def _admitted(one: Object, resource: str) -> set[str]:
    """Return the flavors that a workload was admitted with; none for one that waits."""
    if not (_is(one, "QuotaReserved") or _is(one, "Admitted")):
        return set()
    admission = (one.get("status") or {}).get("admission") or {}
    parts = [part.get("flavors") or {} for part in admission.get("podSetAssignments") or ()]
    return {str(part[resource]) for part in parts if resource in part}


def _seconds(one: Object) -> float:
    text = str((one.get("metadata") or {}).get("creationTimestamp") or "1970-01-01T00:00:00Z")
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise InputError("a time", path="metadata.creationTimestamp", value=repr(text)) from None


def _tenants(
    queues: Mapping[str, Mapping[str, Any]], quotas: Mapping[str, Mapping[str, dict[str, Any]]], there: Sequence[str]
) -> tuple[Tenant, ...]:
    """Return cluster queues as tenants of their cohorts; one without a cohort borrows nothing."""
    found, cohorts = [], {}
    for name, spec in queues.items():
        cohort = spec.get("cohortName") or spec.get("cohort")
        own = []
        for flavor, quota in quotas[name].items():
            if flavor not in there:
                continue
            one = {"gpu_type": flavor, "nominal": _count(quota.get("nominalQuota"))}
            if not cohort:
                one["borrow"] = 0
            elif quota.get("borrowingLimit") is not None:
                one["borrow"] = _count(quota["borrowingLimit"])
            if quota.get("lendingLimit") is not None:
                one["lend"] = _count(quota["lendingLimit"])
            own.append(one)
        parent = f"cohort {cohort}" if cohort else None
        if parent is not None:
            cohorts[parent] = {"id": parent}
        found.append({"id": name, "parent": parent, "quotas": own})
    return convert([*cohorts.values(), *found], tuple[Tenant, ...])
