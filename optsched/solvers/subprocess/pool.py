"""The processes that solvers run in: started early in the background, kept warm, ended with all they hold."""

from __future__ import annotations

import atexit
import contextlib
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
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from optsched.solvers.subprocess.channel import TICK, Channel

__all__ = ["SolverProcess", "alive", "close", "drop", "give_back", "possible", "take", "warm"]

_LONGEST_START = 60.0
"""Seconds from which on a process that has not started is taken for one that never will."""
_WRITE_FILES = {"pyomo"}
"""Backends that write temporary files: they get a folder, which goes with them."""
_CODE = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from optsched.solvers.subprocess.server import main; main("
)


class SolverProcess:
    """A process that a backend runs in.

    It starts in the background; errors of the start are raised by ``channel``.
    """

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
            # it is made by the process itself, and not at all if that never starts
            self.folder = os.path.join(tempfile.gettempdir(), f"optsched-{secrets.token_hex(8)}")  # noqa: PTH118
        # an anonymous file takes what the process says when it dies: it need not be read meanwhile
        self.errors = os.memfd_create("optsched-errors") if sys.platform == "linux" else -1
        ours, theirs = socket.socketpair()
        with theirs:
            code = f"{_CODE}{theirs.fileno()}, {self.backend!r}, {self.folder!r}, {os.getpid()})"
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", code, json.dumps([path or os.getcwd() for path in sys.path])],  # noqa: PTH109
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL if self.errors < 0 else self.errors,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
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
        if not self.ready and time.monotonic() > self.born + _LONGEST_START:
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
        if not _keeper.ending:
            burial = threading.Thread(target=self._bury, daemon=True, name="optsched-bury")
            with contextlib.suppress(RuntimeError):  # the interpreter is ending and starts no thread
                burial.start()
                self.burial = burial
        return said

    def buried(self, seconds: float) -> None:
        """Wait until an ended process is gone, with all that it left; start nothing for it."""
        if self.burial is not None:
            self.burial.join(seconds)
        else:
            self._bury(seconds)

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

    def _bury(self, seconds: float | None = None) -> None:
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
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
    """One thread that starts all processes: Linux kills them when the *thread* that started them ends.

    ``ending``: the interpreter exits, and nothing is started any more.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.ending = False

    def do(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._thread is None and not self.ending:
                thread = threading.Thread(target=self._run, daemon=True, name="optsched-keeper")
                with contextlib.suppress(RuntimeError):  # the interpreter is ending and starts no thread
                    thread.start()
                    self._thread = thread
            if self._thread is None or self.ending:
                future.set_exception(OSError("the interpreter is ending"))
                return future
        self._work.put((future, call))
        return future

    def _run(self) -> None:
        while True:
            future, call = self._work.get()
            try:
                if self.ending:
                    raise OSError("the interpreter is ending")
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)


class _Pool:
    """Processes that are idle, by backend, and all that live."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: dict[str, list[SolverProcess]] = {}
        self.all: set[SolverProcess] = set()

    def take(self, backend: str) -> SolverProcess:
        while True:
            with self.lock:
                waiting = self.idle.get(backend)
                client = waiting.pop() if waiting else None
                if client is None:
                    client = SolverProcess(backend)
                    self.all.add(client)
                    return client
            if client.fit:
                return client
            self.drop(client)  # it died while it was idle

    def give_back(self, client: SolverProcess) -> None:
        with self.lock:
            self.idle.setdefault(client.backend, []).append(client)

    def drop(self, client: SolverProcess, *, dying: bool = False) -> str:
        with self.lock:
            self.all.discard(client)
        return client.end(dying=dying)


_keeper = _Keeper()
_pool = _Pool()


def _forked() -> None:
    """Begin anew in a forked process: the processes are its parent's."""
    global _keeper, _pool
    for client in _pool.all:
        client.forget()
    _keeper, _pool = _Keeper(), _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def possible() -> bool:
    """Whether solvers can have processes of their own here: on POSIX, under an interpreter that can be started."""
    return os.name == "posix" and bool(sys.executable)


def warm(backend: str) -> None:
    """Start the process of a backend in the background, unless one is idle."""
    if possible() and not _pool.idle.get(backend):
        give_back(take(backend))


def take(backend: str) -> SolverProcess:
    """Return an idle process of a backend, or one that is being started."""
    return _pool.take(backend)


def give_back(client: SolverProcess) -> None:
    """Let others take a process, which has done what it was asked."""
    _pool.give_back(client)


def drop(client: SolverProcess, *, dying: bool = False) -> str:
    """Kill a process and all that it started; return how it ended by itself, where it is ``dying``."""
    return _pool.drop(client, dying=dying)


def alive() -> list[int]:
    """Return the ids of all processes of solvers."""
    with _pool.lock:
        return sorted(client.process.pid for client in _pool.all if client.process is not None)


def close() -> None:
    """End all processes of solvers, and wait until they are gone; later runs start others."""
    with _pool.lock:
        workers = list(_pool.all)
        _pool.all.clear()
        _pool.idle.clear()
    for client in workers:
        client.end(dying=False)
    for client in workers:
        client.buried(2.0)  # which also removes what it may have been killed over


def _at_exit() -> None:
    """End all processes of solvers, and start neither a process nor a thread for it."""
    _keeper.ending = True
    close()


atexit.register(_at_exit)
