"""Packing of fractional GPUs, by hand and against the published shares."""

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.simulate.packing import PACKERS, Nodes, Pods, arrivals, pack, read_nodes, read_pods
from optsched.simulate.packing.pack import Room


def nodes(*rows):
    cpu, memory, gpus = (np.array(column) for column in zip(*rows, strict=True))
    return Nodes(cpu, memory, gpus, ("T4",) * len(cpu))


def pods(*kinds, kind):
    cpu, memory, gpus, milli = (np.array(column) for column in zip(*kinds, strict=True))
    return Pods(cpu, memory, gpus, milli, (frozenset(),) * len(cpu), np.array(kind))


def test_best_fit_takes_the_fullest():
    room = Room(nodes((8, 8, 2), (8, 8, 1)), pods((1, 1, 1, 400), kind=[0]))
    assert PACKERS["best-fit"](room, 0, np.array([0, 1]), np.random.default_rng(0)) == (1, 0)


def test_the_gradient_keeps_whole_gpus():
    """Half a GPU goes to the GPU that is half used: anything else would leave halves that whole pods can't use."""
    kinds = pods((0, 0, 1, 500), (0, 0, 1, 1000), kind=[0, 1])
    room = Room(nodes((8, 8, 2), (8, 8, 2)), kinds)
    room.take(0, 1, 1)
    for name in ("fragmentation-gradient", "usable-gradient"):
        decide = PACKERS[name].fresh(room)
        assert decide(room, 0, np.array([0, 1]), np.random.default_rng(0)) == (1, 1), name


def test_cpu_that_gpus_need_is_not_wasted():
    """A pod without GPUs goes where its CPU is not what keeps GPUs usable."""
    kinds = pods((4, 0, 0, 0), (4, 0, 1, 1000), kind=[0, 1, 1, 1])
    room = Room(nodes((8, 8, 2), (8, 8, 1)), kinds)
    decide = PACKERS["usable-gradient"].fresh(room)
    assert decide(room, 0, np.array([0, 1]), np.random.default_rng(0))[0] == 1


@pytest.mark.parametrize("name", PACKERS)
def test_what_is_placed_fits(name):
    random = np.random.default_rng(0)
    kinds = pods((2, 3, 1, 300), (1, 1, 1, 1000), (4, 2, 2, 1000), (3, 3, 0, 0), kind=random.integers(4, size=60))
    cluster = nodes((16, 16, 4), (8, 16, 2), (8, 8, 2), (12, 12, 0))
    order = arrivals(cluster, kinds, 1)
    assert kinds.asked[order].sum() >= 1.3 * 8000 > kinds.asked[order[:-1]].sum()
    found = pack(cluster, kinds, order, PACKERS[name], 1)
    assert 0.6 < found.share <= 1
    assert (np.diff(found.allocated) >= 0).all()
    assert found.share == pack(cluster, kinds, order, PACKERS[name], 1).share


def test_tables_are_checked(tmp_path):
    (tmp_path / "pods.csv").write_text("cpu_milli,memory_mib,num_gpu,gpu_milli\n1,1,2,500\n")
    with pytest.raises(InputError, match="line 2, column gpu_milli: found 500"):
        read_pods(tmp_path / "pods.csv")
    (tmp_path / "nodes.csv").write_text("cpu_milli,memory_mib,gpu,model\n1,x,2,T4\n")
    with pytest.raises(InputError, match="line 2, column memory_mib"):
        read_nodes(tmp_path / "nodes.csv")
