"""What a least value leaves idle on servers and links is handed out: by hand, and against brute force."""

from __future__ import annotations

import json

import numpy as np
import pytest
from msgspec.structs import replace

import optsched
from optsched.instance import Instance, ObjectiveSpec, loads
from tests.support.placement_instances import made
from tests.support.placement_options import Option, options_of, servers_of, sides


def gang_and_elastic(decides: str) -> Instance:
    """Return a gang that leaves no GPU to three elastic jobs: the least value is 0 in every plan."""
    elastic = [{"gpu_type": "g", "gpus": n, "throughput": n} for n in range(1, 5)]
    jobs = [{"id": "wide", "configurations": [{"gpu_type": "g", "gpus": 8, "throughput": 8}]}]
    jobs += [{"id": f"e{k}", "configurations": elastic} for k in range(3)]
    servers = [{"id": "n", "count": 2, "gpu_type": "g", "gpus": 4, "network_gbps": 10}]
    record = {
        "format": "optsched/1",
        "cluster": {"gpu_types": [{"id": "g"}], "servers": servers},
        "jobs": jobs,
        "decides": decides,
        "objective": {"name": "max-min"},
    }
    return loads(json.dumps(record))


@pytest.mark.parametrize("decides", ["counts", "placement", "network"])
def test_a_gang_that_cannot_run_with_the_others_leaves_no_gpu_idle(decides: str) -> None:
    instance = gang_and_elastic(decides)
    result = optsched.solve(instance)
    assert (result.status, result.value, result.bound, result.gap) == ("optimal", 0.0, 0.0, 0.0)
    assert sum(a.gpus for a in result.allocations) == 8
    assert optsched.check(instance, result.allocations, claimed=0.0).ok
    assert not any("dropped" in note for note in result.notes)


def gains(instance: Instance) -> list[str]:
    """Return the jobs that could have more in the room that the others leave, after solving."""
    result = optsched.solve(instance, time_limit=20)
    if result.status not in ("optimal", "feasible"):
        return []
    assert optsched.check(instance, result.allocations, claimed=result.value).ok
    servers = servers_of(instance)
    links = sides(instance, servers)
    number = {s.name: k for k, s in enumerate(servers)}
    free = np.array(
        [[s.group.gpus, *(np.inf if x is None else x for x in (s.group.cpu_cores, s.group.memory_gb))] for s in servers]
    )
    rest = np.array([s.group.network_gbps or np.inf for s in servers] + [capacity for capacity, _ in links])
    chosen: dict[str, tuple[Option, float]] = {}
    every = {job.id: list(options_of(instance, servers, links, job)) for job in instance.jobs}
    for a in result.allocations:
        found = [o for o in every[a.job] if same(o, a, number)]
        assert found
        option = max(found, key=lambda o: float(o.value(o.least, "throughput")))
        chosen[a.job] = option, a.gbps or 0.0
    held: dict[str, float] = {}
    for name, (option, gbps) in chosen.items():
        for k, *amounts in option.uses:
            free[k] -= amounts
        rest -= np.array(option.sends) * gbps
        held[name] = option.value(gbps, "throughput") * option.efficiency
    could = []
    for job in instance.jobs:
        mine, left = free.copy(), rest.copy()
        if job.id in chosen:
            option, gbps = chosen[job.id]
            for k, *amounts in option.uses:
                mine[k] += amounts
            left += np.array(option.sends) * gbps
        for o in every[job.id]:
            fits = all((mine[k] >= np.array(amounts) - 1e-9).all() for k, *amounts in o.uses)
            most = min((there / part for there, part in zip(left, o.sends, strict=True) if part), default=np.inf)
            most = min(most * (1 - 1e-6), o.most)
            value = o.value(most, "throughput") * o.efficiency if fits and most >= o.least else 0.0
            if value > held.get(job.id, 0.0) * (1 + 1e-6):
                could.append(f"{job.id} {o.way}")
    return could


def same(option: Option, a: optsched.Allocation, number: dict[str, int]) -> bool:
    def plain(named: dict[str, int] | None) -> dict[int, int]:
        return {number.get(name, number.get(name.removesuffix("/0"), -1)): n for name, n in (named or {}).items()}

    site, gpu_type, gpus, nodes, servers, batch, passes = option.way
    one = (a.site, a.gpu_type, a.gpus, a.nodes, a.servers, a.local_batch, a.accumulation)
    return (
        one == (site, gpu_type, gpus, nodes, servers, batch, passes)
        and plain(a.placement) == plain(option.placement)
        and plain(a.server_placement) == plain(option.server_placement)
    )


@pytest.mark.parametrize(
    ("decides", "seeds"), [("placement", range(8)), ("network", (34, 42))], ids=["placement", "network"]
)
def test_no_job_gains_from_what_is_idle(decides: str, seeds: tuple[int, ...]) -> None:
    for seed in seeds:
        instance = replace(made(seed, decides, 3), objective=ObjectiveSpec(name="max-min"), max_moves=None)
        assert gains(instance) == [], seed
