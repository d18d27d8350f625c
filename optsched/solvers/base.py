"""What all backends share: limits, what comes back, and how a run is watched and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Literal

from optsched._util.numeric import relative
from optsched.errors import InputError, shown

if TYPE_CHECKING:  # solvers' processes import this module, and need nothing of curves
    from optsched._util.arrays import FloatArray

__all__ = ["MOST_SEED", "MOST_THREADS", "Limits", "Outcome", "Progress", "RunContext", "Status", "Stopped"]

MOST_SEED = 2**31 - 1
"""Solvers take seeds of 32 bits with a sign."""
MOST_THREADS = 1024
"""HiGHS starts as many as it is told to, however few cores there are, and takes minutes for 100,000."""

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "unknown"]
Stopped = Literal["gap", "time_limit", "interrupted", "infeasible", "failed", "heuristic"]


@dataclass(frozen=True)
class Limits:
    """When to stop, and how to run.

    deadline
        On the clock of ``time.monotonic``, which all processes of a machine share; None: no limit.
    gap
        Relative gap between bound and objective that is good enough.
    seed, threads
        One thread and a fixed seed make a run reproducible.
    memory_gb
        Most address space of the solver's process, in GB of 1e9 bytes; None: no limit.
    """

    deadline: float | None = None
    gap: float = 1e-4
    seed: int = 0
    threads: int = 1
    memory_gb: float | None = None

    @staticmethod
    def asked(
        began: float, time_limit: float | None, gap: float, seed: int, threads: int, memory_gb: float | None = None
    ) -> Limits:
        """Return the limits of a call that began at a time; raise InputError for what no solver takes."""
        if time_limit is not None and not time_limit > 0:
            raise InputError("a time limit > 0 s", path="time_limit", value=shown(time_limit))
        if not 0 <= gap < float("inf"):
            raise InputError("a gap >= 0", path="gap", value=shown(gap))
        for path, value, least, most in (("seed", seed, 0, MOST_SEED), ("threads", threads, 1, MOST_THREADS)):
            if not (isinstance(value, Integral) and least <= value <= most):
                raise InputError(f"a whole number from {least} to {most}", path=path, value=shown(value))
        if memory_gb is not None and not memory_gb > 0:
            raise InputError("a memory limit > 0 GB", path="memory_gb", value=shown(memory_gb))
        return Limits(None if time_limit is None else began + time_limit, gap, seed, threads, memory_gb)

    def left(self) -> float:
        """Return the seconds left, at least 0; inf without a limit."""
        return float("inf") if self.deadline is None else max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True)
class Progress:
    """How far a run has come: who reports, the best value so far, the bound, and the seconds since its start."""

    stage: str
    value: float | None
    bound: float | None
    seconds: float

    @property
    def gap(self) -> float | None:
        """Relative gap; None where either side is missing."""
        if self.value is None or self.bound is None:
            return None
        return relative(max(0.0, self.bound - self.value), self.value)


@dataclass(frozen=True)
class Outcome:
    """What a backend found, and why it stopped; all numbers are the solver's own claims.

    values
        Of the model's variables, shape ``(columns,)``; None where there are none.
    objective, bound
        In the model's own units; None where there is none.
    solve_s
        Seconds inside the solver.
    duals
        Of a linear model's rows, where it has no integers.
    handover_s
        Seconds of handing the model over before the solver ran, where that can be told apart.
    """

    status: Status
    stopped: Stopped
    values: FloatArray | None
    objective: float | None
    bound: float | None
    solve_s: float
    message: str = ""
    duals: FloatArray | None = None
    handover_s: float = 0.0


@dataclass
class RunContext:
    """How a run is stopped, and who hears of its progress.

    report, found
        Hear of progress, and of each better point as it appears: its values, shape ``(columns,)``.
    scale
        Objective of the problem per unit of the model's, for ``report``.
    stop
        Set when the run shall stop.
    on_stop
        What a solver wants called then, if it does not ask :meth:`stopping` itself.
    interrupted
        Whether it was stopped by ``Ctrl-C``.
    """

    limits: Limits
    report: Callable[[Progress], None] | None = None
    scale: float = 1.0
    started: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    on_stop: Callable[[], None] | None = None
    found: Callable[[FloatArray], None] | None = None
    interrupted: bool = False

    def progress(self, stage: str, value: float | None, bound: float | None) -> None:
        """Report progress to the listener, if there is one; value and bound are in the model's units."""
        if self.report is not None:
            worth, most = (None if x is None or abs(x) > 1e29 else x * self.scale for x in (value, bound))
            self.report(Progress(stage, worth, most, time.monotonic() - self.started))

    def incumbent(self, values: FloatArray) -> None:
        """Hand a better point on, so that it is not lost with its solver."""
        if self.found is not None:
            self.found(values)

    def stopping(self) -> bool:
        """Tell a solver whether it should stop now."""
        return self.stop.is_set()

    def ask_to_stop(self) -> None:
        """Ask the run to stop; solvers answer when they can, which may be never."""
        self.stop.set()
        if self.on_stop is not None:
            self.on_stop()
