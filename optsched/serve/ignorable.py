"""Answers in time, or none: for callers that go on without."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["in_time"]


def in_time(run: Callable[[], Any], late: threading.Event, seconds: float, otherwise: Callable[[str], Any]) -> Any:
    """Return what a function returns, or what stands for it where it fails or takes too long.

    Parameters
    ----------
    run
        Called in a thread of its own, which is left to itself when it is late; None: it came to nothing.
    late
        Set when no caller waits for it any more.
    otherwise
        Takes the reason.
    """
    found: list[Any] = []
    failed: list[BaseException] = []

    def called() -> None:
        try:
            found.append(run())
        except Exception as error:  # it is told to the caller
            failed.append(error)

    thread = threading.Thread(target=called, name="optsched-ignorable", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        late.set()
        return otherwise(f"there was none in {seconds:g} s")
    if failed:
        return otherwise(f"{failed[0]}")
    return found[0] if found[0] is not None else otherwise(f"there was none in {seconds:g} s")
