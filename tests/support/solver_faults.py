"""What can go wrong with a solver, each by its name: functions that take the place of a backend's ``run``.

They run in the solver's own process beneath the same protocol, so that everything above it is the
real thing. Each takes the backend's request and its watch.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from optsched.solvers import cpsat, highs

HOME = __name__


def entry(fault):
    """Return what names a fault in ``optsched.solvers.subprocess.client.ENTRIES``."""
    return f"{HOME}:{fault.__name__}"


def honest(request, context):
    """Solve as it should be."""
    return (cpsat if isinstance(request, str) else highs).run(request, context)


# ends of the process


def segfault(request, context):
    os.kill(os.getpid(), signal.SIGSEGV)


def killed(request, context):
    os.kill(os.getpid(), signal.SIGKILL)


def aborts_with_a_message(request, context):
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def exits(request, context):
    os._exit(3)


def crashes_after_its_best(request, context):
    honest(request, context)
    os.kill(os.getpid(), signal.SIGSEGV)


# no end


def hangs(request, context):
    while True:
        time.sleep(3600)


def hangs_with_the_interpreter(request, context):
    ctypes.PyDLL(None).sleep(3600)  # holds the lock that every Python thread needs


def hangs_after_its_best(request, context):
    honest(request, context)
    hangs(request, context)


def hangs_with_a_child_and_a_file(request, context):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    if tempfile.tempdir:  # none of the solvers' libraries writes files: only programs that Pyomo calls do
        Path(tempfile.mkstemp(prefix="optsched-fault-")[1]).write_bytes(b"left")
    hangs(request, context)


def answers_too_late(request, context):
    outcome = honest(request, context)
    time.sleep(context.limits.left() + 2.0 if context.limits.deadline is not None else 3600)
    return outcome


def floods(request, context):
    values = np.zeros(1000)
    while True:
        context.progress("flood", 0.0, 1.0)
        context.incumbent(values)


# errors


def raises(request, context):
    raise RuntimeError("a fault of the solver")


def leaves(request, context):
    sys.exit("a solver that wants to leave")


def eats_memory(request, context):
    """Allocate until there is no more: of the limit, or of two GB."""
    if context.limits.memory_gb is None:
        resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, resource.getrlimit(resource.RLIMIT_AS)[1]))
    eaten = []
    while True:
        eaten.append(np.empty(10**6))


# nonsense


def answers_nothing(request, context):
    return None


def answers_what_no_pickle_knows(request, context):
    return lambda: None


def talks_nonsense(request, context):
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                socket.socket(fileno=os.dup(number)).send(b"\x00\x00\x00\x00\x00\x00\x00\x05hello")
        except OSError:
            continue
    hangs(request, context)


def answers_a_point_of_another_size(request, context):
    return replace(honest(request, context), values=np.zeros(3))


def answers_no_numbers(request, context):
    outcome = honest(request, context)
    return replace(outcome, values=None if outcome.values is None else np.full_like(outcome.values, np.nan))


# lies


def everything_at_once(request, context):
    """Call a point optimal that gives everything to everybody."""
    outcome = honest(request, context)
    if outcome.values is None:
        return outcome
    return replace(outcome, status="optimal", stopped="gap", values=np.ones_like(outcome.values), objective=1e6)


def wrong_objective(request, context):
    outcome = honest(request, context)
    return replace(outcome, objective=None if outcome.objective is None else 10 * abs(outcome.objective) + 10)


def bound_too_low(request, context):
    outcome = honest(request, context)
    return replace(outcome, bound=None if outcome.objective is None else 0.5 * outcome.objective - 1)


def bound_too_high(request, context):
    outcome = honest(request, context)
    return replace(outcome, bound=None if outcome.bound is None else 10 * abs(outcome.bound) + 10)


def wrong_duals(request, context):
    outcome = honest(request, context)
    if outcome.duals is None:
        return outcome
    return replace(outcome, duals=0.3 * outcome.duals, bound=0.3 * outcome.objective)


def nothing_is_optimal(request, context):
    """Call the point of zeros optimal."""
    outcome = honest(request, context)
    if outcome.values is None:
        return outcome
    return replace(
        outcome, status="optimal", stopped="gap", values=np.zeros_like(outcome.values), objective=0.0, bound=0.0
    )


def infeasible(request, context):
    outcome = honest(request, context)
    return replace(outcome, status="infeasible", stopped="infeasible", values=None, objective=None, bound=None)


def unbounded(request, context):
    outcome = honest(request, context)
    return replace(outcome, status="unbounded", stopped="failed", values=None, objective=None, bound=None)


ENDS = (segfault, killed, aborts_with_a_message, exits, crashes_after_its_best)
HANGS = (
    hangs,
    hangs_with_the_interpreter,
    hangs_after_its_best,
    hangs_with_a_child_and_a_file,
    answers_too_late,
    floods,
)
ERRORS = (raises, leaves, eats_memory)
NONSENSE = (
    answers_nothing,
    answers_what_no_pickle_knows,
    talks_nonsense,
    answers_a_point_of_another_size,
    answers_no_numbers,
)
LIES = (
    everything_at_once,
    wrong_objective,
    bound_too_low,
    bound_too_high,
    wrong_duals,
    nothing_is_optimal,
    infeasible,
    unbounded,
)
FAULTS = {fault.__name__: fault for fault in (*ENDS, *HANGS, *ERRORS, *NONSENSE, *LIES)}
