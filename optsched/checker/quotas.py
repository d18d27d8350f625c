"""Quotas of tenants: what each uses, borrows and lends, added up from the leaves of the tree to its top."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from optsched.checker.recompute import TOLERANCE, Truth
from optsched.checker.violation import Violation
from optsched.instance.solution import Allocation

__all__ = ["quota_rules"]


def quota_rules(truth: Truth, held: Mapping[str, Allocation]) -> Iterator[Violation]:
    """Check the quotas of every GPU type for which any tenant has one.

    A tenant may use, with all below it, what it owns (its nominal GPUs, and what its children lend) and what it may
    borrow. What it uses beyond what it keeps for itself is taken out of what its siblings and it lend together.
    """
    tenants = truth.instance.tenants
    for gpu_type in dict.fromkeys(quota.gpu_type for tenant in tenants for quota in tenant.quotas):
        quotas = {t.id: quota for t in tenants for quota in t.quotas if quota.gpu_type == gpu_type}
        used: dict[str, float] = defaultdict(float)
        for name, a in held.items():
            if gpu_type in (None, a.gpu_type):
                used[truth.jobs[name].tenant] += a.gpus
        owned = {t.id: quotas[t.id].nominal if t.id in quotas else 0.0 for t in tenants}
        shared, asked = 0.0, 0.0
        what = "GPUs" if gpu_type is None else f"GPUs of {gpu_type}"
        for tenant in _upwards(truth):
            quota = quotas.get(tenant)
            lent = owned[tenant] if quota is None or quota.lend is None else min(quota.lend, owned[tenant])
            most = float("inf") if quota is None or quota.borrow is None else owned[tenant] + quota.borrow
            if used[tenant] > most * (1 + TOLERANCE):
                yield Violation("quota", tenant, f"uses {used[tenant]:g} {what}, and may use {most:g}")
            beyond = max(0.0, used[tenant] - (owned[tenant] - lent))
            parent = truth.tenants[tenant].parent
            if parent is None:
                shared, asked = shared + lent, asked + beyond
            else:
                owned[parent] += lent
                used[parent] += beyond
        if asked > shared * (1 + TOLERANCE):
            how = f"they ask for {asked:g} {what} beyond what each keeps for itself, and lend {shared:g}"
            yield Violation("quota", "all tenants", how)


def _upwards(truth: Truth) -> list[str]:
    """Return the tenants, each before its parent."""
    order = [None, *(tenant.id for tenant in truth.instance.tenants)]
    depth: dict[str | None, int] = {None: 0}

    def of(name: str) -> int:
        if name not in depth:
            parent = truth.tenants[name].parent
            depth[name] = 1 + (0 if parent is None else of(parent))
        return depth[name]

    return sorted((name for name in order if name is not None), key=lambda name: -of(name))
