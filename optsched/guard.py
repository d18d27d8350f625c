"""A search that cannot be late: it runs in a thread, and the caller takes what is there when the time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from optsched.backends import Watch
from optsched.backends.worker import PATIENCE, stopped_by

__all__ = ["WRAP_UP", "watched"]

WRAP_UP = 0.12
"""Seconds after the deadline in which a search may still end by itself: solvers are killed, points read and checked."""
THREAD = "optsched-solver"
"""Name of the thread: who ends the process need not wait for it."""

T = TypeVar("T")


def watched(call: Callable[[], T], watch: Watch) -> T | None:
    """Return what ``call`` returns, or None if it did not return in time.

    In time is ``WRAP_UP`` seconds after the deadline, or ``PATIENCE`` after ``Ctrl-C``, at which
    ``watch.stop`` is set: solvers that the call waits for are stopped by it, and killed. What else it does
    goes on in its thread until it looks at the clock; nobody hears of it.

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
            with stopped_by(watch.stop):
                results.append(call())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=work, daemon=True, name=THREAD).start()
    deadline = watch.limits.deadline
    give_up = None if deadline is None else deadline + WRAP_UP
    while not done.is_set():
        try:
            now = time.monotonic()
            if give_up is not None and now >= give_up:
                break
            done.wait(0.05 if give_up is None else min(0.05, give_up - now))
        except KeyboardInterrupt:
            watch.interrupted = True
            watch.stop.set()
            patient = time.monotonic() + PATIENCE
            give_up = patient if give_up is None else min(give_up, patient)
    if errors:
        raise errors[0]
    if results:
        return results[0]
    watch.stop.set()
    return None
