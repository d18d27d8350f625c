"""The price engine's passes, and whole solves, on executors: in threads, processes, and on clusters."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import optsched
from optsched._util.executors import Blocks, RayExecutor, local_pool
from optsched.instance.generators.workload import generate
from optsched.prediction.curves.fitted import load_curves
from optsched.problem.build import build_problem
from optsched.search.prices import newton as smoothing
from optsched.search.prices import price
from optsched.search.prices.newton import DistributedTable, descend, first_guess
from optsched.search.prices.table import price_table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def case():
    """Return an instance of jobs that differ."""
    return generate(load_curves(ROOT / "instances" / "curves.json"), {"t4": 16, "v100": 8}, 60, seed=5)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(smoothing, "SPREAD", 500)


def agrees(case, executor):
    """Check that an executor gives what this process gives."""
    problem = build_problem(case)
    alone = price(problem, deadline=None, gap=1e-6)
    spread = price(problem, deadline=None, gap=1e-6, executor=executor)
    assert any(note.startswith("passes over") for note in spread.notes), spread.notes
    assert spread.value == pytest.approx(alone.value, rel=2e-6)
    assert spread.bound >= alone.value * (1 - 1e-9)
    assert np.allclose(spread.prices, alone.prices, rtol=1e-3, atol=1e-9)


@pytest.fixture(scope="module")
def pool():
    """Return two processes of this machine."""
    with local_pool(2) as made:
        yield made


def test_threads_and_processes_agree(case, pool):
    with ThreadPoolExecutor(2) as threads:
        agrees(case, threads)
    agrees(case, pool)


def test_a_solve_passes_its_executor_on(case, pool):
    result = optsched.solve(case, executor=pool)
    assert any("blocks on ProcessPoolExecutor" in note for note in result.notes)
    assert result.status == "optimal"


def test_solves_are_work_for_an_executor_like_any_other(case, pool):
    values = [result.value for result in pool.map(optsched.solve, [case] * 2)]
    assert values == [pytest.approx(optsched.solve(case).value, rel=1e-4)] * 2


@pytest.mark.parametrize("rows", [1, 700, 10**9])
def test_blocks_come_together_to_the_whole(case, rows):
    table, _ = price_table(build_problem(case))
    guess = first_guess(table)
    with ThreadPoolExecutor(1) as threads:
        spread = DistributedTable(table, threads, rows)
        assert spread.ranges[-1][1] == table.groups
        parts = descend(table, guess, 0.01, 3, spread)
    assert np.allclose(parts.prices, descend(table, guess, 0.01, 3).prices, rtol=1e-9)


class Failing(Executor):
    """Fails as a pool does whose processes died."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(RuntimeError("all workers are gone"))
        return future


def test_an_executor_that_fails_costs_no_answer(case):
    found = price(build_problem(case), deadline=None, gap=1e-4, executor=Failing())
    assert found.gap <= 1e-4
    assert "the executor failed (RuntimeError: all workers are gone); passes in this process" in found.notes


class Forgetful(Executor):
    """Hands every task to a worker that has not seen its block before, once more than is kept."""

    def __init__(self):
        self.sent = 0

    def submit(self, fn, /, name, k, block, function, arguments):
        future = Future()
        self.sent += block is not None
        future.set_result((block is not None, None if block is None else function(block, *arguments)))
        return future


def test_a_worker_that_lacks_a_block_is_sent_it():
    executor = Forgetful()
    blocks = Blocks(executor, [[1, 2], [3]])
    assert blocks.map(lambda block, more: sum(block) + more, [(10,), (20,)]) == [13, 23]
    assert executor.sent == 2


def test_a_worker_keeps_the_blocks_it_was_sent():
    with ThreadPoolExecutor(1) as threads:
        counted = []
        submit = threads.submit
        threads.submit = lambda fn, *args: counted.append(args[2] is not None) or submit(fn, *args)
        blocks = Blocks(threads, [[1, 2], [3]])
        for _ in range(3):
            assert blocks.map(lambda block: sum(block), [(), ()]) == [3, 3]
    assert sum(counted) == 2, "each block travels once"


def test_dask(case):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        agrees(case, client.get_executor())


def test_ray(case):
    pytest.importorskip("ray")
    with RayExecutor(num_cpus=2) as executor:
        agrees(case, executor)
