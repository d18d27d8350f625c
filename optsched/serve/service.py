"""What is asked and what is answered, whatever carries it: method and parameters in, a result or an error out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import msgspec

from optsched import __version__
from optsched._util.files import convert
from optsched.errors import InputError, OptschedError, OutputError, shown
from optsched.instance.admission import admit, load
from optsched.instance.records import Instance
from optsched.instance.solution import Allocation
from optsched.scheduler import Plan, Scheduler
from optsched.serve.ignorable import in_time
from optsched.serve.store import Store

__all__ = ["RequestError", "Service"]

MOST_SECONDS = 3600.0
"""The longest time limit of a request."""
DEFAULT_S = 10.0
"""The time limit of a step that may be ignored, where it names none."""
GRACE_S = 1.0
"""Seconds beyond its time limit after which such a step is late."""


class RequestError(Exception):
    """A request without a result.

    kind
        ``input``: it was wrong; ``conflict``: it speaks of another version than the last; ``unconfigured``: there is no
        cluster yet; ``method``: there is no such method; ``storage``: the state cannot be kept, and is as it was;
        ``internal``: a bug.
    """

    def __init__(self, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.kind, self.more = kind, more

    def record(self) -> dict[str, Any]:
        """Return the error as it is told."""
        return {"type": self.kind, "message": str(self), **self.more}


class Service:
    """One scheduler, and the solver, for requests that may come at once: those of the scheduler wait for each other.

    Parameters
    ----------
    instance
        A file whose cluster and curves are the scheduler's from the beginning; None: the first request configures it.
    state
        A file in which the scheduler is kept after every change, and from which it goes on; None: it is forgotten.
    """

    def __init__(self, instance: Path | None = None, state: Path | None = None, **settings: Any) -> None:
        self._lock = threading.RLock()
        self._store = None if state is None else Store(state)
        self._scheduler: Scheduler | None = None
        self._last: Any = None
        if self._store is not None and (kept := self._store.scheduler()) is not None:
            self._scheduler = Scheduler.loads(kept, file=str(state))
            last = self._store.plan()
            self._last = None if last is None else msgspec.json.decode(last)
        elif instance is not None:
            self._scheduler = Scheduler(load(instance), **settings)
        self._methods: dict[str, Callable[..., Any]] = {
            "configure": self._configure,
            "step": self._step,
            "plan": self._plan,
            "observe": self._observe,
            "admit": self._admit,
            "what_if": self._what_if,
            "solve": _solve,
            "check": _check,
            "explain": _explain,
            "health": self._health,
        }

    @property
    def methods(self) -> tuple[str, ...]:
        """What can be asked."""
        return tuple(self._methods)

    @property
    def last_plan(self) -> Any:
        """The last plan, as it was told; None before the first."""
        return self._last

    def answer(self, method: str, parameters: Any) -> Any:
        """Return the result of a request, made of what JSON knows.

        Raises
        ------
        RequestError
            Raised instead of any other exception.
        """
        run = self._methods.get(method)
        if run is None:
            raise RequestError("method", f"there is no method {shown(method)}; there are {', '.join(self._methods)}")
        if not isinstance(parameters, Mapping):
            raise RequestError("input", "the parameters must be an object", path="$.params")
        try:
            return run(**{str(name): value for name, value in parameters.items()})
        except RequestError:
            raise
        except InputError as error:
            if error.path == "version" and self._scheduler is not None:
                raise RequestError("conflict", str(error), version=self._scheduler.version) from None
            raise RequestError(
                "input", str(error), path=error.path, expected=error.expected, value=error.value
            ) from None
        except TypeError as error:
            if "argument" not in str(error):
                raise RequestError("internal", f"{type(error).__name__}: {error}") from error
            raise RequestError("input", str(error).partition(") ")[2] or str(error), path="$.params") from None
        except OptschedError as error:
            raise RequestError("input", str(error)) from None
        except Exception as error:  # a bug must not take the service down
            raise RequestError("internal", f"{type(error).__name__}: {error}") from error

    def _known(self) -> Scheduler:
        if self._scheduler is None:
            raise RequestError("unconfigured", "there is no cluster yet: call configure, or start with an instance")
        return self._scheduler

    def _changed(self, scheduler: Scheduler, plan: Any = None) -> None:
        """Take a scheduler that has changed, once it is kept: where it cannot be, the one before goes on."""
        if self._store is not None:
            try:
                self._store.keep(scheduler.dumps(), scheduler.version, plan)
            except OutputError as error:
                raise RequestError("storage", str(error)) from None
        self._scheduler = scheduler
        if plan is not None:
            self._last = plan

    def _configure(self, **settings: Any) -> Any:
        with self._lock:
            if "cluster" not in settings:
                raise InputError("the key 'cluster', which is missing", path="$.params")
            self._changed(Scheduler(settings.pop("cluster"), **settings))
            self._last = None
            return {"version": self._known().version}

    def _step(self, ignorable: bool = False, **parameters: Any) -> Any:
        if not ignorable:
            with self._lock:
                return self._stepped(parameters, threading.Event())
        limit = parameters.get("time_limit_s")
        late = threading.Event()
        seconds = GRACE_S + (_limit(limit) or DEFAULT_S if limit is not None else DEFAULT_S)
        return in_time(
            lambda: self._in_turn(parameters, late, seconds),
            late,
            seconds,
            lambda why: self._unchanged(parameters, why),
        )

    def _in_turn(self, parameters: dict[str, Any], late: threading.Event, seconds: float) -> Any:
        if not self._lock.acquire(timeout=seconds):
            return None
        try:
            return self._stepped(parameters, late)
        finally:
            self._lock.release()

    def _stepped(self, parameters: dict[str, Any], late: threading.Event) -> Any:
        """Return the plan of a step; where no caller waits for it any more, there was no step."""
        scheduler = copy(self._known())
        try:
            plan = _told(scheduler.step(**parameters))
        except (OptschedError, TypeError):
            raise
        except Exception as error:  # the caller goes on with what it has
            return self._unchanged(parameters, f"{type(error).__name__}: {error}")
        if not late.is_set():
            self._changed(scheduler, plan)
        return plan

    def _unchanged(self, parameters: dict[str, Any], why: str) -> Any:
        """Return the plan that changes nothing."""
        told = ("now", "jobs", "done", "refused", "pending", "lost")
        given = {name: value for name, value in parameters.items() if name in told}
        return _told(self._known().unchanged(**given, why=why))

    def _plan(self) -> Any:
        if self._last is None:
            raise RequestError("unconfigured", "there is no plan yet: call step")
        return self._last

    def _observe(self, **parameters: Any) -> Any:
        with self._lock:
            scheduler = copy(self._known())
            scheduler.observe(**parameters)
            self._changed(scheduler)
            return {}

    def _admit(self, **parameters: Any) -> Any:
        with self._lock:
            return msgspec.to_builtins(self._known().admit(**parameters))

    def _what_if(self, **parameters: Any) -> Any:
        with self._lock:
            return _told(self._known().what_if(**parameters))

    def _health(self) -> Any:
        scheduler = self._scheduler
        return {
            "status": "ok",
            "optsched": __version__,
            "version": None if scheduler is None else scheduler.version,
        }


def _told(plan: Plan) -> Any:
    """Return a plan without the question that was asked, which is as long as all that the caller knows."""
    return msgspec.to_builtins(msgspec.structs.replace(plan, instance=None))


def _instance(raw: Any) -> Instance:
    try:
        return admit(convert(raw, Instance))
    except InputError as error:
        raise error.within(path="$.instance") from None


def _limit(time_limit: Any) -> float | None:
    if time_limit is None:
        return None
    if isinstance(time_limit, bool) or not isinstance(time_limit, int | float) or not 0 < time_limit <= MOST_SECONDS:
        raise InputError(f"seconds > 0, at most {MOST_SECONDS:g}", path="$.time_limit", value=shown(time_limit))
    return float(time_limit)


def _solve(
    instance: Any, objective: str | None = None, time_limit: Any = 60.0, gap: float = 1e-4, seed: int = 0
) -> Any:
    from optsched.search.solve import solve

    found = solve(_instance(instance), objective=objective, time_limit=_limit(time_limit), gap=gap, seed=seed)
    return msgspec.to_builtins(found)


def _check(instance: Any, allocations: Any, objective: str | None = None, claimed: float | None = None) -> Any:
    from optsched.checker import check

    report = check(_instance(instance), convert(allocations, tuple[Allocation, ...]), objective, claimed)
    return {"ok": report.ok, "value": report.value, "violations": [str(violation) for violation in report.violations]}


def _explain(
    instance: Any,
    allocations: Any,
    jobs: list[str] | None = None,
    objective: str | None = None,
    time_limit: Any = 60.0,
) -> Any:
    from optsched.explain import explain

    held = convert(allocations, tuple[Allocation, ...])
    found = explain(_instance(instance), held, objective=objective, jobs=jobs, time_limit=_limit(time_limit))
    return msgspec.to_builtins(found)
