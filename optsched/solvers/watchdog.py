"""A search that cannot be late: it runs in a thread, and the caller takes what is there when the time is over."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import FrameType
from typing import TypeVar

from optsched.solvers import RunContext
from optsched.solvers.subprocess.client import PATIENCE, stopped_by

__all__ = ["WRAP_UP", "beside", "watched"]

WRAP_UP = 0.12
"""Seconds after the deadline in which a search may still end by itself: solvers are killed, points read and checked."""
FIRST = 5.0
"""Seconds after that in which what must be there at the least may still come."""
THREAD = "optsched-solver"
"""Name of the thread: who ends the process need not wait for it."""

T = TypeVar("T")


class Abandoned(BaseException):
    """Raised in a search that was abandoned, so that it ends at its next step."""


_searching: set[threading.Thread] = set()


def watched(
    call: Callable[[], T], context: RunContext, first: threading.Event | None = None, spare: float = 0.0
) -> T | None:
    """Return what ``call`` returns, or None if it did not return in time.

    In time is ``WRAP_UP`` seconds after the deadline, less the ``spare`` ones that the caller needs for itself, or
    ``PATIENCE`` after ``Ctrl-C``, at which ``watch.stop`` is set: solvers that the call waits for are stopped by it,
    and killed. What else it does is abandoned at its next step, but not before ``first`` is set, or ``FIRST`` seconds
    have gone by.

    Raises
    ------
    Exception
        Whatever the call raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            with stopped_by(context.stop):
                results.append(call())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()
            _searching.discard(threading.current_thread())

    thread = threading.Thread(target=work, daemon=True, name=THREAD)
    _searching.add(thread)
    thread.start()
    deadline = context.limits.deadline
    give_up = None if deadline is None else deadline + max(0.0, WRAP_UP - spare)
    while not done.is_set():
        try:
            now = time.monotonic()
            if give_up is not None and now >= give_up:
                break
            done.wait(0.05 if give_up is None else min(0.05, give_up - now))
        except KeyboardInterrupt:
            context.interrupted = True
            context.stop.set()
            patient = time.monotonic() + PATIENCE
            give_up = patient if give_up is None else min(give_up, patient)
    if errors:
        raise errors[0]
    if results:
        return results[0]
    context.stop.set()
    if first is not None:
        first.wait(FIRST)
    threading.Thread(target=_abandon, args=(thread,), daemon=True, name="optsched-abandon").start()
    return None


@contextlib.contextmanager
def beside(call: Callable[[RunContext], T], context: RunContext) -> Iterator[Future[T]]:
    """Run a call in a thread of its own; it is asked to stop at the end.

    It is given a watch of the same limits, and its solvers stop when those of this thread shall.
    """
    future: Future[T] = Future()
    own = replace(context, stop=threading.Event())

    def work() -> None:
        try:
            future.set_result(call(own))
        except BaseException as error:
            future.set_exception(error)
        finally:
            _searching.discard(threading.current_thread())

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True, name=THREAD)
    _searching.add(thread)
    thread.start()
    try:
        yield future
    finally:
        own.stop.set()


def _abandon(thread: threading.Thread, seconds: float = 60.0) -> None:
    """End a thread of Python code, but not within an import, which would stay halfway for all."""
    until = time.monotonic() + seconds
    thread.join(0.02)  # most end by themselves, at the next look at the clock, and others take our time
    while thread.is_alive() and thread.ident is not None and time.monotonic() < until:
        if not _imports(sys._current_frames().get(thread.ident)):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Abandoned))
        thread.join(0.2)


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if "importlib" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _leave() -> None:
    """End what is left at exit: threads that wake in an interpreter that is gone bring the process down."""
    for thread in list(_searching):
        if thread is not threading.current_thread():
            _abandon(thread, 2.0)


atexit.register(_leave)
