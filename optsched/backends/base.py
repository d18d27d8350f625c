"""What all backends share: limits, what comes back, and how a run is watched and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from optsched.curves import FloatArray

__all__ = ["Limits", "Outcome", "Progress", "Status", "Stopped", "Watch"]

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "unknown"]
Stopped = Literal["gap", "time_limit", "interrupted", "infeasible", "failed", "heuristic"]

T = TypeVar("T")

SOLVER_THREAD = "optsched-solver"
"""Name of the threads that solvers run in."""


@dataclass(frozen=True)
class Limits:
    """When to stop, and how to run.

    deadline
        On the clock of ``time.monotonic``; None: no limit.
    gap
        Relative gap between bound and objective that is good enough.
    seed, threads
        One thread and a fixed seed make a run reproducible.
    """

    deadline: float | None = None
    gap: float = 1e-4
    seed: int = 0
    threads: int = 1

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
        return max(0.0, self.bound - self.value) / max(1e-12, abs(self.value))


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
class Watch:
    """Runs a solver so that ``Ctrl-C`` and the deadline reach it, and passes its progress on."""

    limits: Limits
    report: Callable[[Progress], None] | None = None
    scale: float = 1.0
    started: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    on_stop: Callable[[], None] | None = None
    interrupted: bool = False

    def progress(self, stage: str, value: float | None, bound: float | None) -> None:
        """Report progress, if anybody listens; value and bound are in the model's units."""
        if self.report is not None:
            worth, most = (None if x is None or abs(x) > 1e29 else x * self.scale for x in (value, bound))
            self.report(Progress(stage, worth, most, time.monotonic() - self.started))

    def stopping(self) -> bool:
        """Tell a solver whether it should stop now."""
        return self.stop.is_set()

    def run(self, call: Callable[[], T], grace: float = 0.2) -> T | None:
        """Return what ``call`` returns; None if it did not stop ``grace`` seconds after it was asked to.

        The call runs in a thread of its own, since solvers release the interpreter but do not
        listen to signals; each either asks ``stopping`` or is stopped by ``on_stop``. One that does
        neither is left behind.
        """
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                results.append(call())
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        done = threading.Event()
        threading.Thread(target=work, daemon=True, name=SOLVER_THREAD).start()
        give_up = None if self.limits.deadline is None else self.limits.deadline + grace
        while not done.is_set():
            try:
                done.wait(0.05)  # an interrupted Thread.join() would take the thread for ended
            except KeyboardInterrupt:
                self.interrupted = True
                give_up = time.monotonic() + 1.0
            late = self.limits.deadline is not None and time.monotonic() > self.limits.deadline
            if (late or self.interrupted) and not self.stop.is_set():
                self.stop.set()
                if self.on_stop is not None:
                    self.on_stop()
            if give_up is not None and time.monotonic() > give_up:
                return None
        if errors:
            raise errors[0]
        return results[0]
