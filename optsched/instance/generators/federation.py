"""Federations made from fitted curves: sites of different GPU types, each with jobs and data of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.instance import Cluster, GpuType, Instance, Link, ObjectiveSpec, ServerGroup, Site, validate
from optsched.instance.generators.workload import generate
from optsched.prediction.curves.fitted import CurveFile

__all__ = ["HOURLY_PRICES", "generate_federation"]

HOURLY_PRICES = {"t4": 0.35, "rtx2080ti": 0.45, "v100": 1.5, "a100": 2.5}
"""Made-up prices of GPU types (currency per hour); 1 for others."""


def generate_federation(
    file: CurveFile,
    sites: Mapping[str, Mapping[str, int]],
    jobs: int,
    *,
    seed: int = 0,
    gbps: float = 10.0,
    worth: float = 4.0,
    name: str = "",
) -> Instance:
    """Return sites that own GPUs and jobs, joined by links to one switch.

    The jobs are those of :func:`~optsched.instance.generators.workload.generate`, dealt to the sites in turn; each has
    its data at home, 5 to 100 GB. The objective is profit.

    Parameters
    ----------
    sites
        GPUs in all of each type, by site.
    jobs
        In all, at least one for each site.
    gbps
        Of each site's link.
    worth
        Of progress 1.0 of a common job (currency per hour), which becomes its weight.
    """
    if jobs < len(sites):
        raise InputError("at least as many jobs as sites", path="jobs", value=shown(jobs))
    total: dict[str, int] = {}
    for of in sites.values():
        for gpu, count in of.items():
            total[gpu] = total.get(gpu, 0) + count
    base = generate(file, total, jobs, seed, name or f"federation of {len(sites)} sites, {jobs} jobs, seed {seed}")
    size = {group.gpu_type: group.gpus for group in base.cluster.servers if not group.id.endswith("-rest")}
    random = np.random.default_rng(seed + 1)
    names = list(sites)
    servers = []
    for site, of in sites.items():
        for gpu, count in of.items():
            whole, rest = divmod(count, size.get(gpu, count))
            parts = ((whole, size.get(gpu, count), ""), (min(rest, 1), rest, "-rest"))
            servers += [
                ServerGroup(id=f"{site}-{gpu}{suffix}", count=n, site=site, gpu_type=gpu, gpus=each)
                for n, each, suffix in parts
                if n
            ]
    made = tuple(
        replace(
            job,
            weight=worth * job.weight,
            home=names[number % len(names)],
            data_gb=float(random.choice([5, 10, 20, 50, 100])),
        )
        for number, job in enumerate(base.jobs)
    )
    cluster = Cluster(
        gpu_types=tuple(GpuType(id=gpu, hourly_price=HOURLY_PRICES.get(gpu, 1.0)) for gpu in total),
        servers=tuple(servers),
        sites=tuple(Site(id=site) for site in names),
        switches=("exchange",),
        links=tuple(
            Link(id=f"link of {s}", ends=(s, "exchange"), capacity_gbps=gbps, price_per_gb=0.001) for s in names
        ),
    )
    return validate(replace(base, cluster=cluster, jobs=made, objective=ObjectiveSpec(name="profit")))
