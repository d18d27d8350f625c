"""Progress on a terminal: quiet for two seconds, and where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from optsched.backends import Progress

__all__ = ["shown_progress", "shown_steps"]

_PATIENCE = 2.0
"""Seconds before anything is shown."""


@contextmanager
def shown_progress(time_limit: float | None, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show incumbent, bound, gap and time left on standard error; yields what to report to."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    began = time.monotonic()
    status = console.status("", spinner="dots")
    best: dict[str, float] = {}

    def report(progress: Progress) -> None:
        if progress.value is not None:
            best["value"] = max(progress.value, best.get("value", progress.value))
        if progress.bound is not None:
            best["bound"] = min(progress.bound, best.get("bound", progress.bound))
        spent = time.monotonic() - began
        if spent > _PATIENCE:
            status.update(_line(progress.stage, best, spent, time_limit))
            status.start()

    try:
        yield report
    finally:
        status.stop()


@contextmanager
def shown_steps(*, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """Show what is being done, on standard error; yields what to report to."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    began = time.monotonic()
    status = console.status("", spinner="dots")

    def report(step: str) -> None:
        status.update(step)
        if time.monotonic() - began > _PATIENCE:
            status.start()

    try:
        yield report
    finally:
        status.stop()


def _line(stage: str, best: dict[str, float], spent: float, time_limit: float | None) -> str:
    parts = [stage, *(f"{name} {number:.6g}" for name, number in best.items())]
    if len(best) == 2:
        parts.append(f"gap {100 * max(0.0, best['bound'] - best['value']) / max(1e-12, abs(best['value'])):.3g} %")
    parts.append(f"{spent:.0f} s" if time_limit is None else f"{max(0.0, time_limit - spent):.0f} s left")
    return "  ".join(parts)
