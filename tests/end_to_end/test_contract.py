"""The contract of ``solve``: a checked plan by the time limit, whatever the solvers do or say."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

import optsched
from optsched.errors import InputError
from optsched.instance.generators.workload import generate
from optsched.prediction.curves.fitted import load_curves
from optsched.problem.build import build_problem
from optsched.problem.infeasibility import proven_infeasible
from optsched.search.warm_start import empty_plan, warm_starts
from optsched.solvers.subprocess import client
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.watchdog import beside, watched
from tests.support import solver_faults as faults
from tests.support.builders import cluster, instance, job, listed

ROOT = Path(__file__).parents[2]
SLACK = 5.0
"""Seconds that a busy machine may be late; benchmarks/deadline.py measures how late it really is."""
RUNS = 30


@pytest.fixture(scope="module")
def case():
    """Return a generated instance, its optimum, and leave warm processes behind."""
    curves = load_curves(ROOT / "instances" / "curves.json")
    made = generate(curves, {"t4": 8, "v100": 4}, 12, seed=3)
    best = optsched.solve(made, formulation="configuration", gap=0.0)
    assert best.status == "optimal"
    optsched.solve(made, formulation="configuration", backend="cpsat", gap=0.0)
    return made, best.value


@pytest.fixture
def faulty(monkeypatch):
    """Return what puts a fault in the place of solvers."""

    def place(fault, *backends):
        for backend in backends or ("highs", "cpsat"):
            monkeypatch.setitem(client.ENTRIES, backend, faults.entry(fault))

    return place


def sound(made, result, best, gap=1e-4):
    """Check that a result has a plan, and claims nothing that is not so."""
    assert result.status in ("feasible", "optimal"), (result.status, result.reason, result.notes)
    report = optsched.check(made, result.allocations, result.objective, result.value)
    assert report.ok, report.violations
    assert result.value <= best * (1 + 1e-6)
    if result.bound is not None:
        assert result.bound >= best * (1 - 1e-6)
    if result.status == "optimal":
        assert result.value >= best * (1 - gap) - 1e-6


@pytest.mark.parametrize("fault", faults.FAULTS.values(), ids=faults.FAULTS)
def test_whatever_a_solver_does_there_is_a_checked_plan_in_time(fault, faulty, case):
    made, best = case
    faulty(fault)
    began = time.monotonic()
    result = optsched.solve(made, formulation="configuration", time_limit=0.4)
    assert time.monotonic() - began < 0.4 + SLACK
    sound(made, result, best)


def test_random_faults(monkeypatch, case):
    made, best = case
    chance = random.Random(7)
    names = list(faults.FAULTS)
    for number in range(RUNS):
        for backend in ("highs", "cpsat"):
            monkeypatch.setitem(client.ENTRIES, backend, f"{faults.HOME}:{chance.choice(names)}")
        options = chance.choice([{}, {"formulation": "configuration"}, {"backend": "cpsat"}, {"backend": "highs"}])
        limit = chance.uniform(0.1, 0.4)
        began = time.monotonic()
        result = optsched.solve(made, time_limit=limit, seed=number, **options)
        assert time.monotonic() - began < limit + SLACK
        sound(made, result, best)
    ours = set(processes.alive())
    processes.close()
    assert not [pid for pid in ours if Path(f"/proc/{pid}").exists()]


def test_a_second_solver_is_asked_where_the_first_one_crashes(faulty, case):
    made, _ = case
    faulty(faults.segfault, "highs")
    made = msgspec.structs.replace(made, objective=optsched.ObjectiveSpec(name="throughput"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optsched.search.prices.price", _no_prices)
        result = optsched.solve(made)
    assert result.status == "optimal"
    assert any("SIGSEGV" in note for note in result.notes)
    assert any("another solver is asked" in note for note in result.notes)
    assert result.backend == "cpsat"


def _no_prices(problem, **_):
    from optsched.search.prices import Priced

    return Priced(None, None, np.inf, np.zeros(len(problem.configurations.capacity)))


@pytest.mark.parametrize("backend", ["highs", "cpsat"])
def test_infeasible_is_not_believed_on_one_word(backend, faulty):
    made = instance(*(job(name, required=True) for name in "abc"))
    faulty(faults.infeasible, backend)
    with pytest.MonkeyPatch.context() as patch:
        nothing = "optsched.search.strategies.heuristic.marginal_gain"
        patch.setattr(nothing, lambda problem, _: np.full(problem.configurations.jobs, -1))
        result = optsched.solve(made, backend=backend)
    assert result.status in ("optimal", "feasible")
    assert optsched.check(made, result.allocations, result.objective, result.value).ok
    assert any("not believed" in note for note in result.notes)


def test_infeasible_is_proven_by_duals():
    made = instance(*(job(name, required=True, min_gpus=2) for name in "abc"))
    assert proven_infeasible(build_problem(made), optsched_limits())
    assert not proven_infeasible(build_problem(instance(job(required=True))), optsched_limits())
    result = optsched.solve(made, backend="highs")
    assert result.status == "infeasible"


def test_infeasible_where_only_integers_show_it():
    """Three jobs of two GPUs or of three on five GPUs in two pools: halves would fit."""
    made = instance(
        job("a", required=True, configurations=listed(0, 4.0)),
        job("b", required=True, configurations=listed(0, 4.0)),
        cluster=cluster(1, 1, 1),
    )
    result = optsched.solve(made, backend="highs")
    assert result.status == "infeasible"


def optsched_limits():
    from optsched.solvers import Limits

    return Limits()


def test_a_proof_of_lies_is_none(faulty):
    faulty(faults.wrong_duals)
    assert not proven_infeasible(build_problem(instance(job(required=True))), optsched_limits())


# time


def test_no_job_runs_where_there_is_no_time():
    made = instance(job("a"), job("b"))
    draft = empty_plan(made, None)
    assert (draft.allocations, draft.value) == ((), 0.0)
    assert empty_plan(instance(job(required=True)), None) is None
    result = optsched.solve(made, time_limit=1e-9)
    assert result.status in ("feasible", "optimal")
    assert optsched.check(made, result.allocations, result.objective, result.value).ok


def test_many_jobs_are_planned_in_pieces(monkeypatch):
    monkeypatch.setattr("optsched.search.warm_start.SMALL", 10)
    monkeypatch.setattr("optsched.search.warm_start.FIRST", 4)
    must = job("z", required=True, weight=0.01)
    made = instance(*(job(f"j{k}", weight=1.0 + k) for k in range(40)), must, cluster=cluster(4, 4))
    monkeypatch.setattr(
        "optsched.search.warm_start.price", lambda *_, **__: time.sleep(0.1) or _no_prices(build_problem(made))
    )
    from optsched.solvers import Limits, RunContext

    found = list(warm_starts(made, None, RunContext(Limits(deadline=time.monotonic() + 2))))
    assert found[0].source == "a plan of the jobs that must run"
    assert found[1].source == "a plan over 4 of 41 jobs"
    for draft in found:
        assert optsched.check(made, draft.allocations, None, draft.value).ok
        assert "z" in {a.job for a in draft.allocations}
    assert not list(warm_starts(made, None, RunContext(Limits()))), "without a time limit the whole comes at once"


def test_a_piece_counts_where_the_whole_takes_too_long(monkeypatch):
    monkeypatch.setattr("optsched.search.warm_start.SMALL", 10)
    monkeypatch.setattr("optsched.search.warm_start.FIRST", 4)
    monkeypatch.setattr("optsched.search.solve.build_problem", lambda *_, **__: time.sleep(60))
    made = instance(*(job(f"j{k}", weight=1.0 + k) for k in range(40)), cluster=cluster(4, 4))
    result = optsched.solve(made, time_limit=1.0)
    assert (result.status, result.stopped) == ("feasible", "time_limit")
    assert result.value > 0
    assert optsched.check(made, result.allocations, result.objective, result.value).ok
    assert result.total_s < 1.0 + SLACK
    assert any(note.startswith("a plan over") for note in result.notes)


INTERRUPTED = """
import optsched, signal, sys, threading, os, time
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.subprocess import client as worker
from optsched.instance.generators.workload import generate
from optsched.prediction.curves.fitted import load_curves
from tests.support import solver_faults as faults
made = generate(load_curves("instances/curves.json"), {"t4": 8, "v100": 4}, 12, seed=3)
worker.ENTRIES["highs"] = faults.entry(faults.hangs)
threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.monotonic()
result = optsched.solve(made, formulation="configuration", backend="highs")
ok = optsched.check(made, result.allocations, result.objective, result.value).ok
print(result.status, result.stopped, ok, result.value > 0, time.monotonic() - began < 30)
"""


def test_an_interrupt_returns_the_best_plan():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == ["feasible interrupted True True True"], done.stderr


def test_an_interrupt_just_at_the_end_of_a_search_is_told(monkeypatch):
    """Whoever asks many questions in turn must know that the user wants no more of them."""

    def interrupted(call, context, *_, **__):
        found = call()
        context.interrupted = True
        return found

    monkeypatch.setattr("optsched.search.solve.watched", interrupted)
    result = optsched.solve(instance(job()))
    assert (result.status, result.stopped) == ("optimal", "interrupted")


def test_bad_input_is_still_refused():
    with pytest.raises(InputError, match="memory limit"):
        optsched.solve(instance(job()), memory_gb=0)


def test_errors_of_the_search_reach_the_caller(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("optsched.search.solve.build_problem", broken)
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        optsched.solve(instance(job()))


def test_a_search_that_is_late_is_abandoned():
    from optsched.solvers import Limits, RunContext

    ended = threading.Event()

    def endless():
        try:
            while True:
                sum(range(1000))
        finally:
            ended.set()

    context = RunContext(Limits(deadline=time.monotonic()))
    assert watched(endless, context) is None
    assert context.stopping()
    assert ended.wait(30)
    assert watched(lambda: 7, RunContext(Limits())) == 7


def test_what_runs_beside_is_asked_to_stop_and_its_errors_arrive():
    from optsched.solvers import Limits, RunContext

    with beside(lambda own: own.stop.wait(60), RunContext(Limits())) as future:
        assert not future.done()
    assert future.result(5) is True
    with beside(lambda _: 1 / 0, RunContext(Limits())) as future, pytest.raises(ZeroDivisionError):
        future.result(5)


def test_solvers_beside_stop_with_the_search(monkeypatch):
    from optsched.solvers import Limits, RunContext, highs
    from tests.solvers.test_subprocess import MODEL

    monkeypatch.setitem(client.ENTRIES, "highs", faults.entry(faults.hangs))
    stop = threading.Event()
    with client.stopped_by(stop), beside(lambda own: highs.solve(MODEL, own), RunContext(Limits())) as future:
        stop.set()
        assert future.result(30).status == "unknown"


LATE = """
import optsched, time
import optsched.search.solve
from tests.support.builders import instance, job
def endless(*_, **__):
    while True:
        sum(range(1000))
optsched.search.solve.build_problem = endless
result = optsched.solve(instance(job()), time_limit=0.1)
print(result.status, result.stopped)
"""


def test_a_process_whose_search_was_late_ends_well():
    done = subprocess.run(
        [sys.executable, "-c", LATE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout.splitlines(), done.stderr) == (["feasible time_limit"], "")


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_an_interrupt_of_the_caller_sets_the_stop():
    from optsched.solvers import Limits, RunContext

    context = RunContext(Limits())
    threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
    assert watched(lambda: context.stop.wait(60), context) is True
    assert context.interrupted
