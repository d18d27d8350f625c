"""Pools and shared resources of clusters."""

from __future__ import annotations

import numpy as np

from optsched.instance.pools import pools, resources
from tests.support.builders import cluster, instance, job


def test_packed_nodes_fill_the_largest_servers_first():
    (pool,) = pools(instance(job(), cluster=cluster(2, 8, 4)))
    assert pool.sizes.tolist() == [8, 4, 2]
    assert pool.capacity == 14
    gpus = np.arange(1, 15)
    fewest = [1] * 8 + [2] * 4 + [3] * 2
    assert pool.packed_nodes(gpus).tolist() == fewest


def test_more_gpus_than_there_are_take_more_nodes_than_there_are():
    (pool,) = pools(instance(job(), cluster=cluster(4, 4)))
    assert pool.packed_nodes(np.array([9])).tolist() == [3]


TWO_SITES = {
    "gpu_types": [{"id": "v", "hourly_price": 2.0}, {"id": "w"}],
    "sites": [{"id": "north"}, {"id": "south"}],
    "servers": [
        {
            "id": "a",
            "site": "south",
            "gpu_type": "v",
            "gpus": 4,
            "count": 2,
            "cpu_cores": 16,
            "memory_gb": 100,
        },
        {"id": "b", "site": "north", "gpu_type": "w", "gpus": 8, "cpu_cores": 32},
        {"id": "c", "site": "north", "gpu_type": "v", "gpus": 2, "cpu_cores": 8},
        {"id": "d", "site": "north", "cpu_cores": 64, "memory_gb": 500},
    ],
}


def test_pools_by_site_and_type_in_the_order_of_the_file():
    found = pools(instance(job(), cluster=TWO_SITES))
    assert [str(pool) for pool in found] == ["v@north", "w@north", "v@south"]
    assert [pool.capacity for pool in found] == [2, 8, 8]
    assert [pool.hourly_price for pool in found] == [2.0, 0.0, 2.0]


def test_resources_are_unlimited_where_a_server_does_not_say():
    found = {r.name: r.capacity for r in resources(instance(job(), cluster=TWO_SITES))}
    assert found == {
        "GPUs of v@north": 2,
        "GPUs of w@north": 8,
        "GPUs of v@south": 8,
        "CPU cores in north": 104,
        "CPU cores in south": 32,
        "GB of memory in north": np.inf,
        "GB of memory in south": 200,
    }
