"""Solvers in processes of their own: what they found is kept, and nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from optsched.errors import SolverError
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel
from optsched.solvers.subprocess import client
from optsched.solvers.subprocess import pool as processes
from tests.support import solver_faults as faults

ROOT = Path(__file__).parents[2]
SOON = 0.5
"""Seconds of a time limit that a warm process meets easily, and a hang does not."""
SLACK = 5.0
"""Seconds that a busy machine may take longer; how long it really takes is measured by benchmarks/deadline.py."""


def knapsack(items=30, seed=1):
    """Return a knapsack of binaries: maximize value within half of all weight."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(5, 50, items).astype(float)
    model = LinearModel()
    x = model.add_variables("x", items, upper=1.0, integer=True, cost=weight + rng.integers(0, 9, items))
    model.add_rows("weight", (np.zeros(items), x, weight), upper=weight.sum() / 2, size=1)
    return model


MODEL = knapsack()


@pytest.fixture(scope="module")
def optimum():
    """Return the true optimum, and leave a warm process behind."""
    outcome = highs.solve(MODEL, RunContext(Limits(gap=0.0)))
    assert outcome.status == "optimal"
    return outcome.objective


@pytest.fixture
def faulty(monkeypatch):
    """Return what puts a fault in the place of HiGHS."""

    def place(fault, backend="highs"):
        monkeypatch.setitem(client.ENTRIES, backend, faults.entry(fault))

    return place


def soon():
    """Return a watch that ends soon, over a process that is warm."""
    highs.solve(MODEL, RunContext(Limits()), relaxed=True)
    return RunContext(Limits(deadline=time.monotonic() + SOON, gap=0.0))


def gone(pid):
    """Tell whether a process is gone, waiting a little for the kernel; a zombie is not gone."""
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("fault", faults.ENDS, ids=lambda fault: fault.__name__)
def test_a_process_that_ends_is_a_failure_with_a_message(fault, faulty, optimum):
    context = soon()
    before = processes.alive()
    faulty(fault)
    outcome = highs.solve(MODEL, context)
    assert outcome.stopped == "failed"
    assert outcome.message.startswith("HiGHS failed: its process")
    named = {"segfault": "SIGSEGV", "killed": "SIGKILL, perhaps for lack of memory", "exits": "with code 3"}
    assert named.get(fault.__name__, "") in outcome.message
    if fault is faults.aborts_with_a_message:
        assert "std::bad_alloc" in outcome.message
    if fault is faults.crashes_after_its_best:
        assert (outcome.status, outcome.objective) == ("feasible", pytest.approx(optimum))
    assert any(gone(pid) for pid in before)
    assert not set(processes.alive()) - set(before), "no other has been started for it"


@pytest.mark.parametrize("fault", faults.HANGS, ids=lambda fault: fault.__name__)
def test_a_process_that_does_not_end_is_ended(fault, faulty, optimum):
    context = soon()
    before = processes.alive()
    faulty(fault)
    outcome = highs.solve(MODEL, context)
    assert time.monotonic() < context.limits.deadline + SLACK
    assert outcome.stopped in ("time_limit", "failed")
    if fault in (faults.hangs_after_its_best, faults.answers_too_late):
        assert (outcome.status, outcome.objective) == ("feasible", pytest.approx(optimum))
        assert outcome.message == "HiGHS did not stop in time and was ended"
    assert any(gone(pid) for pid in before)


@pytest.mark.parametrize("fault", [*faults.ERRORS, *faults.NONSENSE], ids=lambda fault: fault.__name__)
def test_an_error_is_a_failure_with_a_message(fault, faulty, optimum):
    faulty(fault)
    outcome = highs.solve(MODEL, RunContext(Limits()))
    assert outcome.values is None or fault is faults.answers_nothing
    assert outcome.status in ("unknown", "feasible")
    assert "HiGHS" in outcome.message
    words = {"raises": "RuntimeError: a fault of the solver", "leaves": "SystemExit", "eats_memory": "MemoryError"}
    assert words.get(fault.__name__, "") in outcome.message


def test_a_limit_on_memory_is_kept(faulty, optimum):
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0, memory_gb=4.0))).objective == pytest.approx(optimum)
    faulty(faults.eats_memory)
    assert "MemoryError" in highs.solve(MODEL, RunContext(Limits(memory_gb=1.0))).message


def test_the_next_run_has_a_new_process(faulty, monkeypatch, optimum):
    context = soon()
    with monkeypatch.context() as patch:
        patch.setitem(client.ENTRIES, "highs", faults.entry(faults.segfault))
        assert highs.solve(MODEL, context).stopped == "failed"
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0))).objective == pytest.approx(optimum)


@pytest.mark.parametrize("seen", [True, False])
def test_a_process_that_died_while_it_was_idle_is_not_used(seen, monkeypatch, optimum):
    for pid in processes.alive():
        os.kill(pid, signal.SIGKILL)
    if not seen:
        monkeypatch.setattr(processes.SolverProcess, "fit", True)
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0))).objective == pytest.approx(optimum)


def test_one_process_serves_many_runs(optimum):
    before = processes.alive()
    for _ in range(3):
        highs.solve(MODEL, RunContext(Limits()), relaxed=True)
    assert processes.alive() == before


def test_runs_at_once_have_processes_of_their_own(faulty, optimum):
    watches = [RunContext(Limits(gap=0.0)) for _ in range(2)]
    for context in watches:
        context.found = lambda _, context=context: context.stop.set()
    faulty(faults.hangs_after_its_best)
    found = []
    threads = [threading.Thread(target=lambda w=w: found.append(highs.solve(MODEL, w))) for w in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.status for outcome in found] == ["feasible"] * 2


def test_a_stop_reaches_the_solver(faulty, optimum):
    context = RunContext(Limits(gap=0.0), found=lambda _: context.stop.set())
    faulty(faults.hangs_after_its_best)
    outcome = highs.solve(MODEL, context)
    assert outcome.status == "feasible"
    assert 0 < outcome.objective <= optimum * (1 + 1e-9)


def test_points_are_heard_of_as_they_appear(optimum):
    heard = []
    highs.solve(MODEL, RunContext(Limits(gap=0.0), found=heard.append))
    assert heard
    assert MODEL.cost @ heard[-1] == pytest.approx(optimum)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.everything_at_once, "answers with a point that breaks a row"),
        (faults.wrong_objective, "claims the objective"),
        (faults.answers_a_point_of_another_size, "no point of 30 columns"),
        (faults.answers_no_numbers, "no point of 30 columns"),
    ],
)
def test_of_a_point_that_breaks_the_model_nothing_is_believed(fault, words, faulty, optimum):
    faulty(fault)
    outcome = highs.solve(MODEL, RunContext(Limits(gap=0.0)))
    assert (outcome.status, outcome.stopped, outcome.values, outcome.bound) == ("unknown", "failed", None, None)
    assert words in outcome.message


def test_a_known_point_refutes_bounds_and_infeasibility(faulty, optimum):
    faulty(faults.bound_too_low)
    outcome = highs.solve(MODEL, RunContext(Limits(gap=0.0)))
    assert (outcome.status, outcome.bound, outcome.objective) == ("feasible", None, pytest.approx(optimum))
    assert "claims the bound" in outcome.message
    faulty(faults.infeasible)
    nothing = np.zeros(MODEL.columns)
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0))).status == "infeasible"
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0)), start=nothing).status == "unknown"


@pytest.mark.parametrize("fault", [faults.bound_too_low, faults.wrong_duals, faults.honest])
def test_the_bound_of_a_relaxation_is_proven_by_its_duals(fault, faulty, optimum):
    true = highs.solve(MODEL, RunContext(Limits()), relaxed=True)
    assert true.bound == pytest.approx(true.objective)
    faulty(fault)
    outcome = highs.solve(MODEL, RunContext(Limits()), relaxed=True)
    assert outcome.bound >= true.objective - 1e-9
    assert outcome.bound >= optimum


def test_an_unknown_solver_of_pyomo_is_refused():
    from optsched.solvers import pyomo

    with pytest.raises(SolverError, match="'abacus'"):
        pyomo.solve(pyomo.PyomoModel(None, []), RunContext(Limits()), "abacus")


def test_pyomo_leaves_no_child_and_no_file(faulty):
    from optsched.solvers import pyomo

    folder = Path(tempfile.gettempdir())
    empty = pyomo.PyomoModel(None, [])
    with contextlib.suppress(SolverError):
        pyomo.solve(empty, RunContext(Limits()), "abacus")  # warms it
    before = set(processes.alive())
    files = set(folder.glob("optsched-*"))
    assert files, "the folder of the process"
    faulty(faults.hangs_with_a_child_and_a_file, "pyomo")
    outcome = pyomo.solve(empty, RunContext(Limits(deadline=time.monotonic() + SOON)))
    assert outcome.message == "Pyomo did not stop in time and was ended"
    (dead,) = before - set(processes.alive())
    assert gone(dead)
    left = [p for p in Path("/proc").glob("[0-9]*") if _group(p) == dead]
    assert all(gone(p.name) or _group(p) is None for p in left), "nor what it started"
    for _ in range(200):  # the thread that buried the process takes its folder away right after
        if len(set(folder.glob("optsched-*")) & files) < len(files):
            break
        time.sleep(0.01)
    assert len(set(folder.glob("optsched-*")) & files) == len(files) - 1
    assert not list(folder.glob("optsched-fault-*"))


def _group(process):
    """Return the group of a process that lives; its own parent is gone, and burying it is up to the system."""
    try:
        state, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return None
    return None if state == "Z" else int(group)


PARENT = """
import sys, threading, time
from optsched.solvers import highs
from optsched.solvers import pyomo
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.subprocess import client as worker
from optsched.solvers import Limits, RunContext
from optsched.errors import SolverError
from tests.support import solver_faults as faults
from tests.solvers.test_subprocess import MODEL
highs.solve(MODEL, RunContext(Limits()), relaxed=True)
try:
    pyomo.solve(pyomo.PyomoModel(None, []), RunContext(Limits()), "abacus")
except SolverError:
    pass
worker.ENTRIES["highs"] = faults.entry(faults.hangs_with_the_interpreter)
worker.ENTRIES["pyomo"] = faults.entry(faults.hangs_with_a_child_and_a_file)
threading.Thread(target=highs.solve, args=(MODEL, RunContext(Limits())), daemon=True).start()
threading.Thread(target=pyomo.solve, args=(pyomo.PyomoModel(None, []), RunContext(Limits())), daemon=True).start()
time.sleep(1)
print(*processes.alive(), flush=True)
if sys.argv[1] != "leaves":
    time.sleep(3600)
"""


@pytest.mark.parametrize("end", ["stays", "leaves", "stopped"])
def test_processes_end_with_their_parent(end, tmp_path):
    """Also when it is killed, when a solver hangs with the interpreter's lock, and when they were stopped."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, end],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    for pid in children if end == "stopped" else ():
        os.kill(pid, signal.SIGSTOP)
    if end != "leaves":
        parent.kill()
    assert parent.wait(30) == (0 if end == "leaves" else -signal.SIGKILL)
    parent.stdout.close()
    assert all(gone(pid) for pid in children)
    for _ in range(200):
        if not list(tmp_path.iterdir()):
            return
        time.sleep(0.01)
    pytest.fail(f"left over: {list(tmp_path.iterdir())}")


ENDS = """
import atexit, threading
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.subprocess import pool
from tests.solvers.test_subprocess import MODEL
def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")
def start_none():
    threading.Thread.start = refuse
    pool.warm("cpsat")  # as a search does that goes on in a thread
atexit.register(start_none)
print(highs.solve(MODEL, RunContext(Limits())).status, *pool.alive(), flush=True)
pool.warm("pyomo")
"""


def test_nothing_is_started_while_the_interpreter_ends(tmp_path):
    """From Python 3.12 on a thread that is started then raises RuntimeError."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", ENDS]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, env=environment)
    status, *children = ended.stdout.split()
    assert (ended.returncode, ended.stderr, status) == (0, "", "optimal")
    assert children
    assert all(gone(int(pid)) for pid in children)
    assert not list(tmp_path.iterdir())


def test_a_forked_process_has_workers_of_its_own(optimum):
    ours = processes.alive()
    code = 1
    pid = os.fork()
    if pid == 0:  # pragma: no cover - another process
        with contextlib.suppress(BaseException):
            found = highs.solve(MODEL, RunContext(Limits(gap=0.0)))
            fine = found.objective is not None and abs(found.objective - optimum) < 1e-6
            code = 0 if fine and not set(ours) & set(processes.alive()) else 2
            processes.close()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0))).objective == pytest.approx(optimum)


def test_a_script_without_a_guard_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from optsched.solvers import Limits, RunContext, highs\nfrom tests.solvers.test_subprocess import MODEL\n"
        "print(highs.solve(MODEL, RunContext(Limits())).status)\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["optimal"]


def test_where_there_are_no_processes_a_thread_serves(monkeypatch, faulty, optimum):
    monkeypatch.setattr(processes, "possible", lambda: False)
    faulty(faults.honest)
    assert highs.solve(MODEL, RunContext(Limits(gap=0.0))).objective == pytest.approx(optimum)
    faulty(faults.answers_too_late)
    outcome = highs.solve(MODEL, RunContext(Limits(deadline=time.monotonic() + 0.3, gap=0.0)))
    assert (outcome.status, outcome.objective) == ("feasible", pytest.approx(optimum))
    assert "for want of processes" in outcome.message
    faulty(faults.raises)
    assert highs.solve(MODEL, RunContext(Limits())).message == "HiGHS failed: RuntimeError: a fault of the solver"
