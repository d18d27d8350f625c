"""One run: solve, check once more, and say what it took. Runs in a process of an executor."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from multiprocessing import parent_process
from types import FrameType
from typing import Any

import msgspec

from optsched._util.numeric import relative
from optsched.bench.features import Features, features
from optsched.bench.machine import machine, peak_memory, versions
from optsched.bench.spec import Task, unsupported
from optsched.bench.table import Row
from optsched.checker import check
from optsched.errors import OptschedError
from optsched.instance import (
    Cluster,
    Configuration,
    GpuType,
    Instance,
    Job,
    ObjectiveSpec,
    ServerGroup,
    fingerprint,
    load,
)
from optsched.instance.objectives import objective
from optsched.instance.result import Result
from optsched.problem.build import build_problem
from optsched.problem.formulation import ModelOptions, formulations
from optsched.search.solve import solve
from optsched.search.trace import thinned
from optsched.solvers import Progress, form_of
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.watchdog import THREAD

__all__ = ["measure", "skeleton"]

_PATIENCE = 60.0
"""Seconds that a search which was given up may take to end, before the next run begins."""


@lru_cache(maxsize=2)
def _loaded(path: str, stamp: str) -> tuple[Instance, Features]:
    """Return an instance and its features; several runs in turn are on the same one."""
    instance = load(path)
    if fingerprint(instance) != stamp:
        raise OptschedError(f"{path} changed while it was measured")
    return instance, features(instance)


@lru_cache(maxsize=2)
def _refusals(path: str, stamp: str, wanted: bytes) -> dict[str, str]:
    """Return which formulations do not take an instance, and why; it is posed once for all of them."""
    problem = build_problem(_loaded(path, stamp)[0], msgspec.json.decode(wanted, type=ObjectiveSpec))
    answers = {name: one.supported(problem) for name, one in formulations().items()}
    return {name: answer.reason for name, answer in answers.items() if not answer.ok}


def _refusal(task: Task) -> str:
    """Return why a task's formulation does not take its instance; empty where it does, or is a heuristic."""
    if task.method.formulation not in formulations():
        return ""
    return _refusals(task.path, task.fingerprint, msgspec.json.encode(task.objective)).get(task.method.formulation, "")


def skeleton(task: Task, found: Features) -> dict[str, Any]:
    """Return what is known of a run before it."""
    method = task.method
    own = {name: getattr(found, name) for name in ("jobs", "gpus", "gpu_types", "sites", "servers", "links")}
    return {
        **own,
        "key": task.key(versions()),
        "instance": task.name,
        "fingerprint": task.fingerprint,
        "decides": found.decides,
        "configurations": found.configurations,
        "objective": _named(task),
        "sense": "least" if objective(task.objective).sign < 0 else "most",
        "formulation": method.formulation,
        "encoding": method.encoding,
        "without": ",".join(method.without),
        "backend": method.backend,
        "seed": task.seed,
        "threads": task.threads,
        "time_limit": task.time_limit,
        "gap": task.gap,
        "memory_gb": task.memory_gb,
        **versions(),
        **machine(),
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _named(task: Task) -> str:
    given = task.objective.parameters
    return task.objective.name + "".join(f":{key}={msgspec.json.encode(given[key]).decode()}" for key in sorted(given))


def measure(task: Task) -> Row:
    """Run a task and return its row; no failure of the method is raised.

    Raises
    ------
    OptschedError
        If the instance is not what it was when it was listed.
    """
    _obey()
    _at_work.set()
    try:
        return _measured(task)
    finally:
        _at_work.clear()


def _measured(task: Task) -> Row:
    instance, found = _loaded(task.path, task.fingerprint)
    known = skeleton(task, found)
    if reason := unsupported(task.method) or _refusal(task):
        return Row(**known, outcome="unsupported", reason=reason)
    _warm(task, instance)
    seen: list[Progress] = []
    _tidy(len(sys.modules))
    with peak_memory(processes.alive) as peak:
        began = time.monotonic()
        try:
            result = _solved(instance, task, seen)
        except OptschedError as error:  # the instance is valid: this method does not take it, or its code fails
            return Row(**known, outcome="failed" if error.__cause__ else "unsupported", reason=str(error))
        except Exception as error:
            return Row(**known, outcome="failed", reason=f"{type(error).__name__}: {error}")
        total_s = time.monotonic() - began
        memory = peak()
    _settled()
    return Row(**known, outcome="done", total_s=total_s, peak_mb=memory, **_outcome(instance, result, seen, total_s))


_at_work = threading.Event()


@cache
def _obey() -> None:
    """Let this process, if it belongs to a pool, end cleanly: when it is asked to, and when its parent is gone."""
    if (parent := parent_process()) is None:
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if _at_work.is_set():  # a search listens to this, and gives its solver up
            raise KeyboardInterrupt
        raise SystemExit

    def context() -> None:
        parent.join()
        processes.close()
        os._exit(1)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=context, daemon=True, name="optsched-parent").start()


def _solved(instance: Instance, task: Task, seen: list[Progress]) -> Result:
    return solve(
        instance,
        objective=task.objective,
        formulation=task.method.formulation,
        backend=task.method.backend,
        options=ModelOptions(task.method.encoding, frozenset(task.method.without)),
        time_limit=task.time_limit,
        gap=task.gap,
        seed=task.seed,
        threads=task.threads,
        memory_gb=task.memory_gb,
        progress=seen.append,
    )


def _outcome(instance: Instance, result: Result, seen: list[Progress], total_s: float) -> dict[str, Any]:
    """Return what the result claims, and what the checker finds when it is asked once more."""
    sign = objective(result.objective).sign
    claimed: dict[str, Any] = {
        "claimed_status": result.status,
        "stopped": result.stopped,
        "claimed_objective": result.value,
        "claimed_bound": result.bound,
        "claimed_gap": result.gap,
        "reason": result.reason,
        "hash": result.hash,
        "build_s": result.build_s,
        "solve_s": result.solve_s,
        "notes": "; ".join(result.notes),
        "disbelieved": "; ".join(filter(_refutes, result.notes)),
        "solved_by": "/".join(part for part in (result.formulation, result.backend) if part),
    }
    verified: dict[str, Any] = {"verified_status": "none"}
    if result.value is not None:
        report = check(instance, result.allocations, result.objective, result.value)
        verified = {
            "verified_status": "feasible" if report.ok else "violated",
            "verified_objective": report.value,
            "violations": "; ".join(map(str, report.violations[:5])),
        }
        if result.bound is not None:
            verified["verified_gap"] = relative(max(0.0, sign * (result.bound - report.value)), report.value)
    last = (total_s, result.value, result.bound)
    trace = thinned([(p.seconds, p.value, p.bound) for p in seen if p.seconds <= total_s] + [last], sign)
    first = next((seconds for seconds, value, _ in trace if value is not None), None)
    return {**claimed, **verified, "first_s": first, "trace": trace}


def _refutes(note: str) -> bool:
    """Tell whether a note of a result says that a claim of the solver is false, and not only that it is unproven."""
    return (note.endswith("believed") and "nothing else says so" not in note) or " was dropped: " in note


_METHODS = {"placement": "placement", "network": "network"}


def _warm(task: Task, instance: Instance) -> None:
    """Import what the method needs and start its solver's process, on an instance of one job.

    Otherwise the first run in each process would take up to seconds more than those after it.
    """
    way = Configuration(gpu_type="gpu", gpus=1, throughput=1.0)
    tiny = Instance(
        format="optsched/1",
        jobs=(Job(id="job", configurations=(way,)),),
        decides=instance.decides,
        cluster=Cluster(
            gpu_types=(GpuType(id="gpu"),), servers=(ServerGroup(id="s", gpu_type="gpu", gpus=1, network_gbps=1.0),)
        ),
    )
    name = task.method.formulation
    for one in {name, name if name in formulations() else _METHODS.get(instance.decides, "configuration")}:
        form = form_of(task.method.backend)
        backend = task.method.backend if form is not None and one in formulations() else "auto"
        try:
            solve(tiny, formulation=one, backend=backend, time_limit=60.0)
        except OptschedError:  # the run itself will say so
            continue


@lru_cache(maxsize=1)
def _tidy(modules: int) -> None:
    """Keep the collector of garbage from looking through all that was imported, in the middle of a run."""
    gc.collect()
    gc.freeze()


def _settled() -> None:
    """Wait for a search that was given up at its deadline, so that it does not run during the next one."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and any(thread.name == THREAD for thread in threading.enumerate()):
        time.sleep(0.01)
