"""Coalitions of an instance's owners: what each can achieve with its own sites, jobs and links.

A coalition is the instance restricted to its members: their servers, their jobs, the links that end at none but their
sites. Two coalitions without a common member share nothing, so that together they achieve at least the sum of both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import networkx as nx
import numpy as np
from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.federation.game import names_of
from optsched.instance import Instance, Job, Reference
from optsched.instance.objectives import objective
from optsched.instance.result import Result
from optsched.instance.transfers import Transfers
from optsched.instance.unsupported import refuse_rules
from optsched.problem.build import build_problem
from optsched.problem.problem import Problem
from optsched.search.solve import solve

__all__ = ["Coalitions", "Federation", "Valued", "federation_of"]


@dataclass(frozen=True)
class Federation:
    """An instance whose sites and jobs have owners.

    members
        Owners in the order of the sites, then of jobs whose owner has no site.
    instance
        With the reference of every job as it is in the whole federation, so that coalitions measure alike.
    site_owner, job_owner
        Number of the member of each site, by its id, and of each job.
    problem
        That of all members together.
    """

    members: tuple[str, ...]
    instance: Instance
    site_owner: dict[str, int]
    job_owner: tuple[int, ...]
    problem: Problem

    def restricted(self, mask: int) -> Instance | None:
        """Return the instance of a coalition; None where it has no GPUs or no jobs, and so achieves nothing."""
        if mask == (1 << len(self.members)) - 1:
            return self.instance
        cluster = self.instance.cluster
        own = {site for site, owner in self.site_owner.items() if mask >> owner & 1}
        servers = tuple(group for group in cluster.servers if group.site in own)
        jobs = [job for job, owner in zip(self.instance.jobs, self.job_owner, strict=True) if mask >> owner & 1]
        if not jobs or not any(group.gpus for group in servers):
            return None
        racks = {group.rack for group in servers}
        inside = own | racks
        ends = {site.id for site in cluster.sites} | {group.rack for group in cluster.servers}
        links = tuple(
            link
            for link in cluster.links
            if any(end in inside for end in link.ends) and all(end in inside or end not in ends for end in link.ends)
        )
        smaller = replace(self.instance, cluster=replace(cluster, servers=servers, links=links))
        reached = _reach(self.instance, smaller, own)
        return replace(smaller, jobs=tuple(_at_home(job, own, reached) for job in jobs))


def _reach(whole: Instance, smaller: Instance, own: set[str]) -> dict[str, set[str]] | None:
    """Return the sites of a coalition to which its links lead from each site; None where nothing limits copies."""
    if not Transfers(whole).links:
        return None
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(own)
    graph.add_edges_from(link.ends for link in Transfers(smaller).links)
    parts: list[set[str]] = [set(part) for part in nx.connected_components(graph)]
    return {site: own & part for part in parts for site in own & part}


def _at_home(job: Job, own: set[str], reached: dict[str, set[str]] | None) -> Job:
    """Return a job that runs only where the coalition can copy its data."""
    if job.holds is not None and job.holds.site not in own:  # a restart costs what it costs in the federation
        job = replace(job, holds=replace(job.holds, placement=None, server_placement=None))
    if job.home is None or not job.data_gb or reached is None:
        return job
    allowed = reached.get(job.home, set()) | ({job.holds.site} if job.holds is not None else set())
    sites = tuple(site for site in sorted(own) if site in allowed and (job.sites is None or site in job.sites))
    return replace(job, sites=sites)


def federation_of(instance: Instance) -> Federation:
    """Return the federation of an instance's owners.

    Raises
    ------
    InputError
        Where a job has no owner, or what the plan as a whole must keep cannot be divided among coalitions.
    """
    owners = {site.id: site.owner or site.id for site in instance.cluster.sites}
    of_job = [job.owner or owners.get(job.home or "", "") for job in instance.jobs]
    if "" in of_job:
        if len(set(owners.values())) > 1:
            number = of_job.index("")
            expected = "an owner or a home, by which it belongs to a member of the federation"
            raise InputError(expected, path=f"$.jobs[{number}]", value=f"job {shown(instance.jobs[number].id)}")
        of_job = [name or next(iter(owners.values())) for name in of_job]
    members = tuple(dict.fromkeys([*owners.values(), *of_job]))
    for name in members:
        if "," in name or name != name.strip():
            raise InputError(
                "owners without commas, and without blanks around them", path="$.cluster", value=shown(name)
            )
    _refuse(instance)
    problem = build_problem(instance)
    reference = problem.configurations.reference.tolist()
    jobs = tuple(
        replace(job, reference=Reference(goodput=goodput))
        for job, goodput in zip(instance.jobs, reference, strict=True)
    )
    whole = replace(instance, jobs=jobs)
    index = {name: k for k, name in enumerate(members)}
    return Federation(
        members,
        whole,
        {site: index[name] for site, name in owners.items()},
        tuple(index[name] for name in of_job),
        dataclasses.replace(problem, instance=whole),
    )


def _refuse(instance: Instance) -> None:
    """Refuse what has no meaning for a part of the members."""
    goal = objective(instance.objective)
    if goal.aggregate != "sum" or goal.base != "reference" or goal.sign < 0 or goal.name == "dominant-share":
        expected = "an objective that sums what jobs are worth on their own, e.g. progress or profit"
        raise InputError(expected, path="$.objective", value=goal.name)
    refuse_rules(instance, "a federation")
    for field in ("limits", "max_moves"):
        if getattr(instance, field):
            raise InputError("none: it cannot be divided among coalitions", path=f"$.{field}")
    for number, job in enumerate(instance.jobs):
        if job.required:
            expected = "false: a coalition that cannot run the job would have no value"
            raise InputError(expected, path=f"$.jobs[{number}].required", value="true")


@dataclass(frozen=True)
class Valued:
    """The proven value of a coalition: achieved by a checked plan, and exceeded by none."""

    low: float
    high: float
    result: Result | None


class Coalitions:
    """Values of coalitions, each solved once when it is asked for.

    Parameters
    ----------
    gap, time_limit, seed
        Of each coalition's solve; what is left of the gap is the width of its interval.
    progress
        Called with what is being done.
    """

    def __init__(
        self,
        federation: Federation,
        *,
        gap: float = 1e-4,
        time_limit: float | None = None,
        seed: int = 0,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.federation = federation
        self.options = {"gap": gap, "time_limit": time_limit, "seed": seed}
        self.progress = progress
        self.known: dict[int, Valued] = {0: Valued(0.0, 0.0, None)}
        self.solves = 0

    def value(self, mask: int) -> Valued:
        """Return the value of a coalition by its mask."""
        if mask not in self.known:
            if self.progress is not None:
                names = names_of(self.federation.members, mask)
                self.progress(f"coalition {len(self.known)}: {names if len(names) < 60 else names[:57] + '...'}")
            self.known[mask] = self._solved(mask)
        return self.known[mask]

    def _solved(self, mask: int) -> Valued:
        instance = self.federation.restricted(mask)
        if instance is None:
            return Valued(0.0, 0.0, None)
        self.solves += 1
        result = solve(instance, **self.options)  # type: ignore[arg-type]
        low = 0.0 if result.value is None else max(0.0, result.value)
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
        high = np.inf if result.bound is None else max(result.bound, low)
        if not np.isfinite(high):
            high = self._ceiling(instance)
        return Valued(low, high, result)

    @staticmethod
    def _ceiling(instance: Instance) -> float:
        """Return what all jobs have at best, each alone: a bound without a solver."""
        problem = build_problem(instance)
        best = np.zeros(problem.configurations.jobs)
        np.maximum.at(best, problem.configurations.job, problem.value)
        return float(best.sum())
