"""Copies of jobs' data between sites: the links that carry them, and what they cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from optsched.checker.recompute import TOLERANCE, Truth
from optsched.checker.violation import Violation
from optsched.instance import Job, Link
from optsched.instance.solution import Allocation

__all__ = ["copy_rules", "hourly_cost"]


def copy_rules(truth: Truth, held: Mapping[str, Allocation]) -> Iterator[Violation]:
    """Check that all data can be copied within the round to where their jobs run."""
    carried: dict[tuple[str, str], float] = defaultdict(float)
    links = {link.id: link for link in truth.instance.cluster.links}
    for name, a in held.items():
        job = truth.jobs[name]
        if not _copied(job, a) or not _between_sites(truth):
            continue
        assert job.home is not None
        path = _path(truth, job.home, a.site)
        if path is None:
            yield Violation("copy", name, f"no links lead from {job.home}, where its data are, to {a.site}")
        for link, entered in path or ():
            carried[link.id, entered] += job.data_gb * 8 / truth.instance.round_s
    for (link_id, entered), rate in carried.items():
        if rate > (there := links[link_id].capacity_gbps) * (1 + TOLERANCE):
            yield Violation("copy", link_id, f"{rate:g} Gb/s are copied from {entered}, and it carries {there:g}")


def hourly_cost(truth: Truth, job: Job, a: Allocation) -> float:
    """Return the price of an allocation's GPUs, and of copying its data, spread over the round (currency/h)."""
    cost = a.gpus * truth.prices.get(a.site, {}).get(a.gpu_type, 0.0)
    if _copied(job, a) and job.home is not None:
        price = sum(link.price_per_gb for link, _ in _path(truth, job.home, a.site) or ())
        cost += job.data_gb * price * 3600 / truth.instance.round_s
    return cost


def _copied(job: Job, a: Allocation) -> bool:
    """Tell whether a job's data are copied: it runs away from home, and not where it runs already."""
    at_home = job.home is None or job.home == a.site
    return not at_home and job.data_gb > 0 and (job.holds is None or job.holds.site != a.site)


def _between_sites(truth: Truth) -> list[Link]:
    """Return the links that join sites and switches, and no rack."""
    racks = {group.rack for group in truth.groups.values()}
    return [link for link in truth.instance.cluster.links if not racks & set(link.ends)]


def _path(truth: Truth, origin: str, goal: str) -> list[tuple[Link, str]] | None:
    """Return the links from one site to another and the end where each is entered, found by a search in breadth."""
    links = _between_sites(truth)
    reached: dict[str, list[tuple[Link, str]]] = {origin: []}
    frontier = [origin]
    while frontier and goal not in reached:
        following = []
        for here in frontier:
            for link in links:
                if here in link.ends and (there := link.ends[1 - link.ends.index(here)]) not in reached:
                    reached[there] = [*reached[here], (link, here)]
                    following.append(there)
        frontier = following
    return reached.get(goal)
