"""What is asked and what is answered, whatever carries it: method and parameters in, a result or an error out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from optsched import __version__
from optsched._util.files import convert
from optsched.errors import InputError, OptschedError, shown
from optsched.instance.admission import admit, load
from optsched.instance.records import Instance
from optsched.instance.solution import Allocation
from optsched.scheduler import Plan, Scheduler

__all__ = ["RequestError", "Service"]

MOST_SECONDS = 3600.0
"""The longest time limit of a request."""


class RequestError(Exception):
    """A request without a result.

    kind
        ``input``: it was wrong; ``conflict``: it speaks of another version than the last; ``unconfigured``: there is no
        cluster yet; ``method``: there is no such method; ``internal``: a bug.
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
        self._lock, self._state_file = threading.RLock(), state
        self._scheduler: Scheduler | None = None
        if state is not None and state.exists():
            self._scheduler = Scheduler.load(state)
        elif instance is not None:
            self._scheduler = Scheduler(load(instance), **settings)
        self._methods: dict[str, Callable[..., Any]] = {
            "configure": self._configure,
            "step": self._step,
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

    def answer(self, method: str, parameters: Any) -> Any:
        """Return the result of a request, made of what JSON knows.

        Raises
        ------
        RequestError
            Always in place of any other exception.
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

    def _kept(self) -> None:
        """Write the state, whole or not at all: a kill at any moment loses no more than the request in flight."""
        if self._state_file is not None and self._scheduler is not None:
            self._scheduler.save(self._state_file)

    def _configure(self, **settings: Any) -> Any:
        with self._lock:
            if "cluster" not in settings:
                raise InputError("the key 'cluster', which is missing", path="$.params")
            self._scheduler = Scheduler(settings.pop("cluster"), **settings)
            self._kept()
            return {"version": self._scheduler.version}

    def _step(self, **parameters: Any) -> Any:
        with self._lock:
            scheduler = self._known()
            try:
                plan = scheduler.step(**parameters)
            except (OptschedError, TypeError):
                raise
            except Exception as error:  # the caller goes on with what it has
                return _unchanged(scheduler.version, f"{type(error).__name__}: {error}")
            self._kept()
            return _told(plan)

    def _observe(self, **parameters: Any) -> Any:
        with self._lock:
            self._known().observe(**parameters)
            self._kept()
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


def _unchanged(version: int, why: str) -> dict[str, Any]:
    """Return the plan that changes nothing."""
    kinds: dict[str, list[Any]] = {kind: [] for kind in ("start", "stop", "move", "resize", "keep", "wait")}
    warning = f"there is no plan, and every job keeps what it holds: {why}"
    return {"version": version, "status": "unknown", **kinds, "allocations": [], "warnings": [warning]}


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
