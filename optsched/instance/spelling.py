"""Ids that people would read as the same: they differ by case, by spaces, or by how Unicode composes a letter."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from optsched.errors import shown
from optsched.instance.records import Instance

__all__ = ["alike", "folded", "same_spelling", "similar_ids"]


def folded(name: str) -> str:
    """Return what names have in common that differ by case, spaces or normal form alone."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def same_spelling(one: str, other: str) -> bool:
    """Tell whether two names read the same."""
    return folded(one) == folded(other)


def alike(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that reads as an earlier, different one, after that one."""
    first: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if (earlier := first.setdefault(folded(name), name)) != name:
            yield earlier, name


def similar_ids(instance: Instance) -> tuple[str, ...]:
    """Return a note on ids of one kind that read the same: they are different ids, which may not be what was meant."""
    cluster = instance.cluster
    kinds = {
        "jobs": (job.id for job in instance.jobs),
        "tenants": [job.tenant for job in instance.jobs] + [tenant.id for tenant in instance.tenants],
        "curves": instance.curves,
        "GPU types": (gpu.id for gpu in cluster.gpu_types),
        "sites": (site.id for site in cluster.sites),
        "server groups": (group.id for group in cluster.servers),
        "racks": (group.rack for group in cluster.servers if group.rack is not None),
    }
    return tuple(
        f"two {kind} have ids that read the same: {shown(one)} and {shown(other)}"
        for kind, names in kinds.items()
        for one, other in alike(names)
    )
