"""Rules of shared clusters, for what cannot keep them: it names them instead of passing over them."""

from __future__ import annotations

from optsched.errors import InputError
from optsched.instance.records import Instance

__all__ = ["refuse_rules", "rules_in"]


def rules_in(instance: Instance) -> dict[str, str]:
    """Return the rules that an instance has, each with the path of its first use."""
    cluster, found = instance.cluster, {}
    for field in ("then", "priority_classes", "aging"):
        if getattr(instance, field):
            found[field] = f"$.{field}"
    quotas = [k for k, tenant in enumerate(instance.tenants) if tenant.quotas]
    taints = [k for k, group in enumerate(cluster.servers) if group.taints]
    if quotas:
        found["quotas"] = f"$.tenants[{quotas[0]}].quotas"
    if taints:
        found["taints"] = f"$.cluster.servers[{taints[0]}].taints"
    if cluster.draining:
        found["draining"] = "$.cluster.draining"
    for number, job in enumerate(instance.jobs):
        if job.is_pinned(instance.now_s):
            found.setdefault("pinned", f"$.jobs[{number}].pinned")
        for field in ("server_labels", "within"):
            if getattr(job, field):
                found.setdefault(field, f"$.jobs[{number}].{field}")
    return found


def refuse_rules(instance: Instance, what: str) -> None:
    """Raise InputError, with the path, where an instance has a rule that ``what`` does not keep."""
    for name, path in rules_in(instance).items():
        raise InputError(f"no {name}, which {what} cannot keep", path=path, value=name)
