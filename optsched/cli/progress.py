"""Progress on a terminal: quiet for the first two seconds, and without a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from optsched._util.numeric import relative
from optsched._util.text import visible
from optsched.solvers import Progress

__all__ = ["progress_line", "shown_progress", "shown_steps"]

_PATIENCE = 2.0
"""Seconds before anything is shown."""


class _Live:
    """A line of text that is worked out anew each time the terminal draws it."""

    def __init__(self) -> None:
        self.text: Callable[[], str] = str

    def __rich__(self) -> Text:
        return Text(visible(self.text()))


@contextmanager
def _shown(*, quiet: bool) -> Iterator[_Live | None]:
    """Show a line on standard error, after two seconds; yield None without a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    line = _Live()
    status = console.status(line, spinner="dots")
    timer = threading.Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield line
    finally:
        timer.cancel()
        status.stop()


@contextmanager
def shown_steps(*, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """Show what is being done; yields what to report to."""
    with _shown(quiet=quiet) as line:
        if line is None:
            yield None
            return

        def report(step: str) -> None:
            line.text = lambda: step

        yield report


@contextmanager
def shown_progress(
    time_limit: float | None, *, quiet: bool, lower: bool = False
) -> Iterator[Callable[[Progress], None] | None]:
    """Show incumbent, bound, gap and time left; yields what to report to. ``lower``: less is better."""
    better, nearer = (min, max) if lower else (max, min)
    began = time.monotonic()
    best: dict[str, float] = {}
    with _shown(quiet=quiet) as line:
        if line is None:
            yield None
            return

        def report(progress: Progress) -> None:
            if progress.value is not None:
                best["value"] = better(progress.value, best.get("value", progress.value))
            if progress.bound is not None:
                best["bound"] = nearer(progress.bound, best.get("bound", progress.bound))
            line.text = lambda: progress_line(progress.stage, dict(best), time.monotonic() - began, time_limit)

        yield report


def progress_line(stage: str, best: dict[str, float], spent: float, time_limit: float | None) -> str:
    """Return incumbent, bound and gap, with the seconds that were spent or are left."""
    parts = [stage, *(f"{name} {number:.6g}" for name, number in best.items())]
    if len(best) == 2:
        parts.append(f"gap {100 * relative(abs(best['bound'] - best['value']), best['value']):.3g} %")
    parts.append(f"{spent:.0f} s" if time_limit is None else f"{max(0.0, time_limit - spent):.0f} s left")
    return "  ".join(parts)
