"""Runs of solvers in processes of their own, which can be killed.

A solver may crash, eat all memory, hang, or not listen to its time limit. None of that reaches the
process of the caller: what the solver had found streams in as it appears, and is the outcome.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optsched.errors import SolverError
from optsched.solvers.base import Outcome, RunContext, Status, Stopped
from optsched.solvers.subprocess import pool as processes
from optsched.solvers.subprocess.channel import TICK, Broken
from optsched.solvers.subprocess.server import resolve

if TYPE_CHECKING:
    from optsched._util.arrays import FloatArray

__all__ = ["ENTRIES", "GRACE", "PATIENCE", "inline", "run", "stopped_by"]

ENTRIES = {name: f"optsched.solvers.{name}:run" for name in ("highs", "cpsat", "pyomo", "branch_and_bound")}
"""What runs in the process of each backend, as ``module:function``. Tests put faults in their places."""
GRACE = 0.05
"""Seconds from the deadline, at which a solver is asked to stop, to being killed."""
PATIENCE = 1.0
"""Seconds from being asked to stop by ``Ctrl-C`` to being killed."""
_NAMES = {"highs": "HiGHS", "cpsat": "CP-SAT", "pyomo": "Pyomo", "branch_and_bound": "branch and bound"}


@dataclass
class _Seen:
    """What a solver has told so far."""

    begun: bool = False
    """Whether it took the request: a process may have died idle without our having seen it."""
    values: FloatArray | None = None
    bound: float | None = None


_ambient: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("optsched-stop", default=None)
_most_inline: contextvars.ContextVar[int] = contextvars.ContextVar("optsched-inline", default=0)
_numbers = itertools.count()


@contextlib.contextmanager
def stopped_by(event: threading.Event) -> Iterator[None]:
    """Let an event stop all runs that this thread begins, whatever their own watches are."""
    before = _ambient.set(event)
    try:
        yield
    finally:
        _ambient.reset(before)


@contextlib.contextmanager
def inline(columns: int) -> Iterator[None]:
    """Let HiGHS solve models up to a number of columns in this thread, where handing them over takes longer.

    Nothing can end such a run but HiGHS's own time limit: it is for models of milliseconds.
    """
    before = _most_inline.set(columns)
    try:
        yield
    finally:
        _most_inline.reset(before)


def run(backend: str, request: Any, context: RunContext) -> Outcome:
    """Solve in a process of its own, and return what is known of the answer whatever becomes of that.

    The solver is asked to stop at the deadline, or when ``watch.stop`` is set or ``Ctrl-C`` pressed,
    and killed ``GRACE`` seconds later. After a crash, a kill or an exception the outcome holds the best
    point and bound that it had told, and the message says what happened.

    Raises
    ------
    SolverError
        If the backend refuses the request.
    """
    began = time.monotonic()
    if context.limits.left() <= 0:
        return Outcome("unknown", "time_limit", None, None, None, 0.0)
    if backend == "highs" and len(request.cost) <= _most_inline.get():
        return _inline(request, context)
    if not processes.possible():
        return _here(backend, request, context)
    seen = _Seen()
    answer, failure, again = _attempt(backend, request, context, seen)
    if again:
        answer, failure, _ = _attempt(backend, request, context, seen)
    kind = "late" if answer is None else answer[0]
    if kind == "done":
        outcome: Outcome = answer[2]  # type: ignore[index]
        return replace(outcome, stopped="interrupted") if context.interrupted and outcome.stopped != "gap" else outcome
    if kind == "refused":
        raise SolverError(answer[2])  # type: ignore[index]
    name, stopped = _NAMES[backend], "time_limit"
    if kind == "failed":
        message, stopped = f"{name} failed: {answer[2]}", "failed"  # type: ignore[index]
    elif failure:
        message, stopped = f"{name} failed: {failure}", "failed"
    elif kind == "cold":
        message = f"the process of {name} had not started in time"
    else:
        message = f"{name} did not stop in time and was ended"
    return _rest(seen, context, stopped, message, time.monotonic() - began)


def _attempt(backend: str, request: Any, context: RunContext, seen: _Seen) -> tuple[tuple[Any, ...] | None, str, bool]:
    """Ask one process; return its answer, what went wrong, and whether it was dead before it was asked."""
    client = processes.take(backend)
    idle = client.ready
    answer: tuple[Any, ...] | None = None
    failure = ""
    try:
        answer = _conversation(client, request, context, seen)
    except Broken as error:
        failure = str(error)
    except OSError as error:
        failure = f"its process could not be started: {error}"
    finally:
        if answer is not None and answer[0] in ("done", "refused", "cold"):
            processes.give_back(client)
        else:
            failure = processes.drop(client, dying=bool(failure)) or failure
    return answer, failure, bool(failure) and idle and not seen.begun


def _rest(seen: _Seen, context: RunContext, stopped: str, message: str, seconds: float) -> Outcome:
    """Return what a solver left behind."""
    status: Status = "unknown" if seen.values is None else "feasible"
    why: Stopped = "interrupted" if context.interrupted else stopped  # type: ignore[assignment]
    return Outcome(status, why, seen.values, None, seen.bound, seconds, message)


class _Clock:
    """When a run is asked to stop, and when it is given up."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._ambient = _ambient.get()
        self.asked: float | None = None

    def over(self) -> bool:
        """Tell whether the run shall stop."""
        stopping = self._context.stopping() or (self._ambient is not None and self._ambient.is_set())
        if self.asked is None and (stopping or self._context.limits.left() <= 0):
            self.asked = time.monotonic()
        return self.asked is not None

    def late(self) -> bool:
        """Tell whether to wait no longer."""
        if not self.over() or self.asked is None:
            return False
        now, deadline = time.monotonic(), self._context.limits.deadline
        return now >= self.asked + PATIENCE or (deadline is not None and now >= deadline + GRACE)


def _conversation(
    client: processes.SolverProcess, request: Any, context: RunContext, seen: _Seen
) -> tuple[Any, ...] | None:
    """Ask, listen, and return the answer; None if it did not come in time."""
    number = next(_numbers)
    clock = _Clock(context)
    message = ("solve", number, ENTRIES[client.backend], request, context.limits)
    sending = sent = told = False
    while True:
        try:
            channel = client.channel(clock.over)
            if channel is None:
                return ("cold", number)
            if not client.ready:
                client.ready = channel.receive(_until(context, False)) is not None
                if not client.ready and clock.over():
                    return ("cold", number)
                continue
            if sending != sent:
                return None  # interrupted in the middle of a message, which cannot be resumed
            if not sent:
                sending = True
                if not channel.send(message, clock.late):
                    return None
                sent = True
            if clock.over() and not told:
                channel.send(("stop", number), clock.late)
                told = True
            if clock.late():
                return None
            heard = channel.receive(_until(context, told))
            if heard is not None and (answer := _heard(heard, number, context, seen)) is not None:
                return answer
        except KeyboardInterrupt:
            context.interrupted = True
            context.stop.set()


def _until(context: RunContext, asked: bool) -> float:
    """Return the seconds to wait for a message before looking around."""
    return 0.01 if asked else min(TICK, max(0.001, context.limits.left()))


def _heard(message: Any, number: int, context: RunContext, seen: _Seen) -> tuple[Any, ...] | None:
    """Take a message in; return it if it is the last."""
    if not isinstance(message, tuple) or len(message) < 3:
        raise Broken("what it says is no message")
    if message[1] != number:
        return None  # an echo of the run before
    if message[0] == "begun":
        seen.begun = True
        return None
    if message[0] == "progress":
        _, _, stage, value, bound = message
        if bound is not None:
            seen.bound = bound
        context.progress(stage, value, bound)
        return None
    if message[0] == "incumbent":
        seen.values = message[2]
        context.incumbent(message[2])
        return None
    if message[0] == "done" and not isinstance(message[2], Outcome):
        raise Broken("what it answers is no outcome")
    return message


def _inline(request: Any, context: RunContext) -> Outcome:
    """Run HiGHS in this thread."""
    began = time.monotonic()
    try:
        outcome: Outcome = resolve(ENTRIES["highs"])(request, context)
    except Exception as error:
        message = f"{_NAMES['highs']} failed: {type(error).__name__}: {error}"
        return _rest(_Seen(), context, "failed", message, time.monotonic() - began)
    return outcome


def _here(backend: str, request: Any, context: RunContext) -> Outcome:
    """Run in a thread of this process, where there is no other way: a solver that hangs is left behind in it."""
    seen = _Seen()
    done: Future[Outcome] = Future()
    hears = context.found

    def found(values: FloatArray) -> None:
        seen.values = values
        if hears is not None:
            hears(values)

    inner = replace(context, found=found, stop=threading.Event())

    def work() -> None:
        try:
            done.set_result(resolve(ENTRIES[backend])(request, inner))
        except SolverError as error:
            done.set_exception(error)
        except BaseException as error:
            message = f"{_NAMES[backend]} failed: {type(error).__name__}: {error}"
            done.set_result(_rest(seen, context, "failed", message, time.monotonic() - began))

    began = time.monotonic()
    threading.Thread(target=work, daemon=True, name="optsched-solver").start()
    while True:
        try:
            return done.result(_until(context, inner.stop.is_set()))
        except TimeoutError:
            pass
        except KeyboardInterrupt:
            context.interrupted = True
        late = context.limits.left() <= 0 or context.stopping() or context.interrupted
        if late and not inner.stop.is_set():
            inner.ask_to_stop()
            asked = time.monotonic()
        grace = PATIENCE if context.limits.deadline is None else GRACE
        if inner.stop.is_set() and time.monotonic() > asked + grace:
            message = f"{_NAMES[backend]} did not stop in time and goes on in a thread, for want of processes here"
            return _rest(seen, context, "time_limit", message, time.monotonic() - began)
