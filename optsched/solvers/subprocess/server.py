"""The process that a solver runs in: it takes requests, streams what it finds, and ends with its parent.

    python -c "from optsched.solvers.subprocess.server import main; main(FD, BACKEND, FOLDER)"

Requests are ``("solve", number, entry, request, limits)`` and ``("stop", number)``. Answers are one
``("ready", -1, pid)``; for each request ``("begun", number, pid)``,
``("progress", number, stage, value, bound)``, ``("incumbent", number, values)``, and at the end one of
``("done", number, outcome)``, ``("refused", number, text)``, ``("failed", number, text)``.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import queue
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from optsched.errors import SolverError
from optsched.solvers.base import Limits, Outcome, Progress, RunContext
from optsched.solvers.subprocess.channel import Broken, Channel

__all__ = ["main", "resolve"]

_PR_SET_PDEATHSIG = 1
_FIRST_TO_GO = "500"
"""Added to what the kernel thinks of us when memory is short: a solver goes before the scheduler that asked it."""


def main(end: int, backend: str, folder: str, parent: int) -> None:
    """Serve requests until the parent closes its end.

    Parameters
    ----------
    end
        File descriptor of our end of the channel.
    backend
        What to import before the first request comes.
    folder
        For temporary files; empty where the backend writes none.
    parent
        Process id of who started us.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who asks us to stop
    if folder:
        os.mkdir(folder, 0o700)  # noqa: PTH102
        tempfile.tempdir = folder
        _leave_with_parent(end, folder)
    else:
        _die_with(parent)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write(_FIRST_TO_GO)
    channel = Channel(socket.socket(fileno=end))
    running = _Running()
    requests: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, requests, running, folder), daemon=True).start()
    importlib.import_module(f"optsched.solvers.{backend}").prepare()
    _reply(channel, folder, ("ready", -1, os.getpid()))
    while True:
        _, number, entry, request, limits = requests.get()
        _reply(channel, folder, ("begun", number, os.getpid()))
        _reply(channel, folder, _answer(channel, running, number, entry, request, limits, folder))


class _Running:
    """Which request runs, so that a stop that comes late meets no other."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = -1
        self.stopped = -1
        self.context: RunContext | None = None

    def begin(self, number: int, context: RunContext) -> None:
        with self.lock:
            self.number, self.context = number, context
            if self.stopped >= number:
                context.stop.set()

    def stop(self, number: int) -> None:
        with self.lock:
            self.stopped = max(self.stopped, number)
            context = self.context if number == self.number else None
        if context is not None:
            context.ask_to_stop()


def _answer(
    channel: Channel, running: _Running, number: int, entry: str, request: Any, limits: Limits, folder: str
) -> tuple[Any, ...]:
    """Run one request; whatever it raises is an answer."""

    def report(seen: Progress) -> None:
        _reply(channel, folder, ("progress", number, seen.stage, seen.value, seen.bound))

    def found(values: Any) -> None:
        _reply(channel, folder, ("incumbent", number, values))

    context = RunContext(limits, report=report, found=found)
    running.begin(number, context)
    try:
        _limit_memory(limits.memory_gb)
        return "done", number, resolve(entry)(request, context)
    except SolverError as error:
        return "refused", number, str(error)
    except BaseException as error:  # not even SystemExit ends us: the parent must hear of it
        return "failed", number, f"{type(error).__name__}: {error}"


def resolve(entry: str) -> Callable[[Any, RunContext], Outcome]:
    """Return the function that ``module:name`` names."""
    module, _, name = entry.partition(":")
    function: Callable[[Any, RunContext], Outcome] = getattr(importlib.import_module(module), name)
    return function


def _listen(channel: Channel, requests: queue.SimpleQueue[Any], running: _Running, folder: str) -> None:
    try:
        while True:
            message = channel.receive()
            if message[0] == "solve":
                requests.put(message)
            else:
                running.stop(message[1])
    except Broken:
        _leave(folder)


def _reply(channel: Channel, folder: str, message: tuple[Any, ...]) -> None:
    try:
        channel.send(message)
    except Broken:
        _leave(folder)


def _leave(folder: str) -> None:
    """End at once, with all processes that it started: the client is gone."""
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _leave_with_parent(end: int, folder: str) -> None:
    """Fork a process that removes the folder and kills our group once the parent's end of the channel is closed.

    It does so whatever we do: also while we are stopped, or hang with a program of our own.
    """
    if os.fork() != 0:
        return
    watched = select.poll()
    watched.register(end, 0)  # POLLHUP is always told
    while not any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in watched.poll()):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _die_with(parent: int) -> None:
    """Ask Linux to kill us when the parent goes, which also reaches a solver that hangs."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before we asked
        os._exit(0)


def _limit_memory(gigabytes: float | None) -> None:
    import resource

    soft = resource.RLIM_INFINITY if gigabytes is None else int(gigabytes * 1e9)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
