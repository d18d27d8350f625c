"""Quotas of tenants in a tree, as more resources of a problem, so that every method carries them.

A tenant ``n`` owns ``o(n)``, its nominal GPUs and what its children lend; of these it lends ``l(n) = min(lend, o(n))``
to its siblings. With all below it, it uses ``m(n)``: its own jobs, and what its children ask for,

    asks(n) = max(0, m(n) - (o(n) - l(n)))         what it needs beyond what it keeps for itself
    m(n)    = use(n) + sum of asks(c) over its children c
    m(n)   <= o(n) + borrow(n),    and at the top    sum of asks(n) <= sum of l(n).

(Kueue's cohorts, KEP-79.) Every ``m(n)`` is a maximum of sums over sets of tenants, so each rule is a few linear rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError
from optsched.instance import Instance, Quota, Tenant
from optsched.problem.configurations import some_rows, with_resources
from optsched.problem.problem import Problem

__all__ = ["keeping_quotas"]

_MOST = 4096
"""Rows that one rule may need: they double with each sibling that keeps something for itself."""

_CLOSE = 1e-9
"""Relative slack of a quota for rounding, far below the checker's tolerance."""

_Sums = list[tuple[frozenset[str], float]]
"""Sums whose maximum is meant: GPUs of the jobs of a set of tenants, plus a constant."""


def keeping_quotas(problem: Problem) -> Problem:
    """Return the problem with the quotas of its instance.

    Raises
    ------
    InputError
        For a tree in which more tenants keep GPUs for themselves than linear rows can say.
    """
    instance = problem.instance
    if not any(tenant.quotas for tenant in instance.tenants):
        return problem
    numbers = {tenant.id: k for k, tenant in enumerate(instance.tenants)}
    of_job = np.array([numbers[job.tenant] for job in instance.jobs], dtype=np.int64)
    for gpu_type in dict.fromkeys(quota.gpu_type for tenant in instance.tenants for quota in tenant.quotas):
        most, there = _demand(problem, gpu_type, of_job, len(numbers))
        binding = []
        for names, capacity, label in _rows(instance, gpu_type):
            chosen = np.array([one in names for one in numbers], dtype=bool)
            if capacity < min(there, most[chosen].sum()):
                binding.append((chosen, capacity, label))
        for chosen, capacity, label in binding:  # what is too much by itself is left out
            table = problem.configurations
            keep = ~chosen[of_job[table.job]] | (_gpus(problem, gpu_type) <= capacity * (1 + _CLOSE))
            if not keep.all():
                table = some_rows(table, keep, f"none of its configurations keeps the {label}")
                problem = replace(problem, configurations=table, value=problem.value[keep])
        gpus, table = _gpus(problem, gpu_type), problem.configurations
        more = []
        for chosen, capacity, label in binding:
            rows: IntArray = np.flatnonzero(chosen[of_job[table.job]] & (gpus > 0))
            more.append((label, rows, gpus[rows], capacity * (1 + _CLOSE)))
        problem = replace(problem, configurations=with_resources(table, more))
    table = problem.configurations
    return replace(problem, configurations=replace(table, able=np.diff(table.first) > 0))


def _gpus(problem: Problem, gpu_type: str | None) -> FloatArray:
    """Return the GPUs of a type that each row takes, shape ``(n,)``; None: of any."""
    table = problem.configurations
    typed = np.array([gpu_type in (None, pool.gpu_type) for pool in table.pools], dtype=bool)
    return np.where(typed[table.columns.pool], table.columns.gpus, 0).astype(np.float64)


def _demand(problem: Problem, gpu_type: str | None, of_job: IntArray, tenants: int) -> tuple[FloatArray, float]:
    """Return the most GPUs that the jobs of each tenant can use, shape ``(tenants,)``, and how many there are."""
    table = problem.configurations
    best = np.zeros(table.jobs)
    np.maximum.at(best, table.job, _gpus(problem, gpu_type))
    there = sum(pool.capacity for pool in table.pools if gpu_type in (None, pool.gpu_type))
    return np.bincount(of_job, weights=best, minlength=tenants).astype(np.float64), float(there)


def _rows(instance: Instance, gpu_type: str | None) -> Iterator[tuple[frozenset[str], float, str]]:
    """Yield the linear rows of a GPU type: tenants, the most GPUs that their jobs may use together, and a name."""
    children: dict[str | None, list[Tenant]] = defaultdict(list)
    for tenant in instance.tenants:
        children[tenant.parent].append(tenant)
    quotas = {t.id: quota for t in instance.tenants for quota in t.quotas if quota.gpu_type == gpu_type}
    what = "GPUs" if gpu_type is None else f"GPUs of {gpu_type}"
    found: list[tuple[frozenset[str], float, str]] = []

    def walk(tenant: Tenant) -> tuple[float, _Sums]:
        """Return what a tenant lends, and what it asks of its siblings; list its own rows."""
        below = [walk(child) for child in children[tenant.id]]
        quota = quotas.get(tenant.id, Quota(nominal=0.0))
        owned = quota.nominal + sum(lent for lent, _ in below)
        lent = owned if quota.lend is None else min(quota.lend, owned)
        used = _added([[(frozenset({tenant.id}), 0.0)], *(asked for _, asked in below)], tenant.id)
        if quota.borrow is not None:
            most = owned + quota.borrow
            found.extend((names, most - more, f"quota of {tenant.id}: {what}") for names, more in used)
        own = owned - lent
        return lent, used if own <= 0 else [(frozenset(), 0.0), *((names, more - own) for names, more in used)]

    tops = [walk(tenant) for tenant in children[None]]
    shared = sum(lent for lent, _ in tops)
    asked = _added([asked for _, asked in tops], "the top")
    found.extend((names, shared - more, f"quotas of all tenants: {what}") for names, more in asked)
    tightest: dict[frozenset[str], tuple[float, str]] = {}
    for names, capacity, label in found:
        if names and capacity < tightest.get(names, (np.inf, ""))[0]:
            tightest[names] = capacity, label
    labels: Counter[str] = Counter()
    for names, (capacity, label) in tightest.items():
        labels[label] += 1
        yield names, capacity, label if labels[label] == 1 else f"{label} ({labels[label]})"


def _added(parts: Sequence[_Sums], where: str) -> _Sums:
    """Return the sums of one of each part."""
    if np.prod([float(len(part)) for part in parts]) > _MOST:
        expected = (
            f"at most {_MOST} combinations of tenants below one that keep GPUs for themselves (lend below nominal), "
            f"below {where}"
        )
        raise InputError(expected, path="$.tenants", value="more")
    return [
        (frozenset().union(*(names for names, _ in some)), sum(more for _, more in some)) for some in product(*parts)
    ]
