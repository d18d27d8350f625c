"""Solvers in processes of their own, which can be killed: started early, kept warm, used again.

A solver may crash, eat all memory, hang, or not listen to its time limit. None of that reaches the
process of the caller: what the solver had found streams in as it appears, and is the outcome.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import queue
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optsched.backends.base import Outcome, Status, Stopped, Watch
from optsched.backends.channel import TICK, Broken, Channel
from optsched.backends.child import resolve
from optsched.errors import SolverError

if TYPE_CHECKING:
    from optsched.curves import FloatArray

__all__ = ["ENTRIES", "GRACE", "PATIENCE", "alive", "close", "run", "stopped_by", "warm"]

ENTRIES = {name: f"optsched.backends.{name}:run" for name in ("highs", "cpsat", "pyomo")}
"""What runs in the process of each backend, as ``module:function``. Tests put faults in their places."""
GRACE = 0.05
"""Seconds from the deadline, at which a solver is asked to stop, to being killed."""
PATIENCE = 1.0
"""Seconds from being asked to stop by ``Ctrl-C`` to being killed."""
START = 60.0
"""Seconds from which on a process that has not started is taken for one that never will."""
_WRITE_FILES = {"pyomo"}
"""Backends that write temporary files: they get a folder, which goes with them."""
_NAMES = {"highs": "HiGHS", "cpsat": "CP-SAT", "pyomo": "Pyomo"}
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from optsched.backends.child import main; main("


@dataclass
class _Seen:
    """What a solver has told so far."""

    values: FloatArray | None = None
    bound: float | None = None


class Worker:
    """A process that a backend runs in. It starts in the background; errors of that come out of ``channel``."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.folder = ""
        self.errors = -1
        self.ready = False
        self.born = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None
        self.burial: threading.Thread | None = None
        self._started: Future[Channel] = _keeper.do(self._start)

    def _start(self) -> Channel:
        if self.backend in _WRITE_FILES:
            # it is made by the process itself, and so by nobody if that never comes to be
            self.folder = os.path.join(tempfile.gettempdir(), f"optsched-{secrets.token_hex(8)}")  # noqa: PTH118
        # an anonymous file takes what the process says when it dies: nobody need read it meanwhile
        self.errors = os.memfd_create("optsched-errors") if sys.platform == "linux" else -1
        ours, theirs = socket.socketpair()
        with theirs:
            code = f"{_START}{theirs.fileno()}, {self.backend!r}, {self.folder!r}, {os.getpid()})"
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", code, json.dumps([path or os.getcwd() for path in sys.path])],  # noqa: PTH109
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL if self.errors < 0 else self.errors,
                    pass_fds=(theirs.fileno(),), start_new_session=True,
                )  # fmt: skip
            except BaseException:
                ours.close()
                raise
        return Channel(ours)

    def channel(self, give_up: Callable[[], bool]) -> Channel | None:
        """Return the channel once the process is there; None if that was given up."""
        while True:
            try:
                return self._started.result(TICK)
            except TimeoutError:
                if give_up():
                    return None

    @property
    def fit(self) -> bool:
        """Whether it can be used, as far as can be seen."""
        if not self.ready and time.monotonic() > self.born + START:
            return False
        if not self._started.done():
            return True
        return self._started.exception() is None and self.process is not None and self.process.poll() is None

    def end(self, *, dying: bool) -> str:
        """Kill it and all that it started; return how it ended by itself, where it is ``dying``."""
        with contextlib.suppress(Exception):  # it may not have started
            self._started.result(5.0).close()
        if self.process is None:
            self._bury()
            return ""
        said = self._died(self.process) if dying else ""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        # the kernel may take its time to free what a large process held
        self.burial = threading.Thread(target=self._bury, daemon=True, name="optsched-bury")
        self.burial.start()
        return said

    def _died(self, process: subprocess.Popen[bytes]) -> str:
        """Return how it ended by itself; empty where it had not."""
        try:
            code = process.wait(0.05)
        except subprocess.TimeoutExpired:
            return ""
        said = ""
        if self.errors >= 0:
            said = os.pread(self.errors, 4096, max(0, os.fstat(self.errors).st_size - 4096)).decode(errors="replace")
        lines = [line for line in said.splitlines() if line.strip()]
        last = f": {lines[-1].strip()[:200]}" if lines else ""
        if code >= 0:
            return f"its process ended by itself with code {code}{last}"
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else str(-code)
        hint = ", perhaps for lack of memory" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}{last}"

    def _bury(self) -> None:
        if self.process is not None:
            self.process.wait()
        if self.errors >= 0:
            os.close(self.errors)
            self.errors = -1
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self) -> None:
        """Let go of it without a word, in a process that was forked from its owner's."""
        if self.process is not None:
            self.process.returncode = 0
        with contextlib.suppress(Exception):
            self._started.result(0).close()


class _Keeper:
    """One thread that starts all processes: Linux kills them when the *thread* that started them ends."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="optsched-keeper")
                self._thread.start()
        self._work.put((future, call))
        return future

    def _run(self) -> None:
        while True:
            future, call = self._work.get()
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)


class _Pool:
    """Workers that are idle, by backend, and all that live."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: dict[str, list[Worker]] = {}
        self.all: set[Worker] = set()

    def take(self, backend: str) -> Worker:
        while True:
            with self.lock:
                waiting = self.idle.get(backend)
                worker = waiting.pop() if waiting else None
                if worker is None:
                    worker = Worker(backend)
                    self.all.add(worker)
                    return worker
            if worker.fit:
                return worker
            self.drop(worker)  # it died while it was idle

    def give_back(self, worker: Worker) -> None:
        with self.lock:
            self.idle.setdefault(worker.backend, []).append(worker)

    def drop(self, worker: Worker, *, dying: bool = False) -> str:
        with self.lock:
            self.all.discard(worker)
        return worker.end(dying=dying)


_keeper = _Keeper()
_pool = _Pool()
_numbers = itertools.count()


def _forked() -> None:
    """Begin anew in a forked process: the workers are its parent's."""
    global _keeper, _pool
    for worker in _pool.all:
        worker.forget()
    _keeper, _pool = _Keeper(), _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _possible() -> bool:
    """Whether solvers can have processes of their own here: on POSIX, under an interpreter that can be started."""
    return os.name == "posix" and bool(sys.executable)


def warm(backend: str) -> None:
    """Start the process of a backend in the background, unless one is idle."""
    if _possible() and not _pool.idle.get(backend):
        _pool.give_back(_pool.take(backend))


def alive() -> list[int]:
    """Return the ids of all processes of solvers."""
    with _pool.lock:
        return sorted(worker.process.pid for worker in _pool.all if worker.process is not None)


def close() -> None:
    """End all processes of solvers, and wait until they are gone; later runs start others."""
    with _pool.lock:
        workers = list(_pool.all)
        _pool.all.clear()
        _pool.idle.clear()
    for worker in workers:
        worker.end(dying=False)
    for worker in workers:
        if worker.burial is not None:  # which also removes what it may have been killed over
            worker.burial.join(2.0)


atexit.register(close)
_ambient = threading.local()


@contextlib.contextmanager
def stopped_by(event: threading.Event) -> Iterator[None]:
    """Let an event stop all runs that this thread begins, whatever their own watches are."""
    before = getattr(_ambient, "stop", None)
    _ambient.stop = event
    try:
        yield
    finally:
        _ambient.stop = before


def run(backend: str, request: Any, watch: Watch) -> Outcome:
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
    if watch.limits.left() <= 0:
        return Outcome("unknown", "time_limit", None, None, None, 0.0)
    if not _possible():
        return _here(backend, request, watch)
    seen = _Seen()
    worker = _pool.take(backend)
    answer: tuple[Any, ...] | None = None
    failure = ""
    try:
        answer = _conversation(worker, request, watch, seen)
    except Broken as error:
        failure = str(error)
    except OSError as error:
        failure = f"its process could not be started: {error}"
    finally:
        if answer is not None and answer[0] in ("done", "refused", "cold"):
            _pool.give_back(worker)
        else:
            failure = _pool.drop(worker, dying=bool(failure)) or failure
    kind = "late" if answer is None else answer[0]
    if kind == "done":
        outcome: Outcome = answer[2]  # type: ignore[index]
        return replace(outcome, stopped="interrupted") if watch.interrupted and outcome.stopped != "gap" else outcome
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
    return _rest(seen, watch, stopped, message, time.monotonic() - began)


def _rest(seen: _Seen, watch: Watch, stopped: str, message: str, seconds: float) -> Outcome:
    """Return what a solver left behind."""
    status: Status = "unknown" if seen.values is None else "feasible"
    why: Stopped = "interrupted" if watch.interrupted else stopped  # type: ignore[assignment]
    return Outcome(status, why, seen.values, None, seen.bound, seconds, message)


class _Clock:
    """When a run is asked to stop, and when it is given up."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._ambient: threading.Event | None = getattr(_ambient, "stop", None)
        self.asked: float | None = None

    def over(self) -> bool:
        """Tell whether the run shall stop."""
        stopping = self._watch.stopping() or (self._ambient is not None and self._ambient.is_set())
        if self.asked is None and (stopping or self._watch.limits.left() <= 0):
            self.asked = time.monotonic()
        return self.asked is not None

    def late(self) -> bool:
        """Tell whether to wait no longer."""
        if not self.over() or self.asked is None:
            return False
        now, deadline = time.monotonic(), self._watch.limits.deadline
        return now >= self.asked + PATIENCE or (deadline is not None and now >= deadline + GRACE)


def _conversation(worker: Worker, request: Any, watch: Watch, seen: _Seen) -> tuple[Any, ...] | None:
    """Ask, listen, and return the answer; None if it did not come in time."""
    number = next(_numbers)
    clock = _Clock(watch)
    message = ("solve", number, ENTRIES[worker.backend], request, watch.limits)
    sending = sent = told = False
    while True:
        try:
            channel = worker.channel(clock.over)
            if channel is None:
                return ("cold", number)
            if not worker.ready:
                worker.ready = channel.receive(_until(watch, False)) is not None
                if not worker.ready and clock.over():
                    return ("cold", number)
                continue
            if sending != sent:
                return None  # interrupted in the middle of a message, which nobody could read on
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
            heard = channel.receive(_until(watch, told))
            if heard is not None and (answer := _heard(heard, number, watch, seen)) is not None:
                return answer
        except KeyboardInterrupt:
            watch.interrupted = True
            watch.stop.set()


def _until(watch: Watch, asked: bool) -> float:
    """Return the seconds to wait for a message before looking around."""
    return 0.01 if asked else min(TICK, max(0.001, watch.limits.left()))


def _heard(message: Any, number: int, watch: Watch, seen: _Seen) -> tuple[Any, ...] | None:
    """Take a message in; return it if it is the last."""
    if not isinstance(message, tuple) or len(message) < 3:
        raise Broken("what it says is no message")
    if message[1] != number:
        return None  # an echo of the run before
    if message[0] == "progress":
        _, _, stage, value, bound = message
        if bound is not None:
            seen.bound = bound
        watch.progress(stage, value, bound)
        return None
    if message[0] == "incumbent":
        seen.values = message[2]
        watch.incumbent(message[2])
        return None
    if message[0] == "done" and not isinstance(message[2], Outcome):
        raise Broken("what it answers is no outcome")
    return message


def _here(backend: str, request: Any, watch: Watch) -> Outcome:
    """Run in a thread of this process, where there is no other way: a solver that hangs is left behind in it."""
    seen = _Seen()
    done: Future[Outcome] = Future()
    hears = watch.found

    def found(values: FloatArray) -> None:
        seen.values = values
        if hears is not None:
            hears(values)

    inner = replace(watch, found=found, stop=threading.Event())

    def work() -> None:
        try:
            done.set_result(resolve(ENTRIES[backend])(request, inner))
        except SolverError as error:
            done.set_exception(error)
        except BaseException as error:
            message = f"{_NAMES[backend]} failed: {type(error).__name__}: {error}"
            done.set_result(_rest(seen, watch, "failed", message, time.monotonic() - began))

    began = time.monotonic()
    threading.Thread(target=work, daemon=True, name="optsched-solver").start()
    while True:
        try:
            return done.result(_until(watch, inner.stop.is_set()))
        except TimeoutError:
            pass
        except KeyboardInterrupt:
            watch.interrupted = True
        late = watch.limits.left() <= 0 or watch.stopping() or watch.interrupted
        if late and not inner.stop.is_set():
            inner.ask_to_stop()
            asked = time.monotonic()
        grace = PATIENCE if watch.limits.deadline is None else GRACE
        if inner.stop.is_set() and time.monotonic() > asked + grace:
            message = f"{_NAMES[backend]} did not stop in time and goes on in a thread, for want of processes here"
            return _rest(seen, watch, "time_limit", message, time.monotonic() - began)
