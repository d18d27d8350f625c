"""Policies: functions from :class:`~optsched.simulate.state.State` to who holds what, one file each.

They are found by the entry-point group ``optsched.policies``, so that other packages add theirs. A name with a colon
is a function of a module (``module:function``), ``objective:NAME`` is one of optsched's objectives, and
``process:COMMAND`` a program that speaks JSON lines.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from optsched._util.registry import Registry
from optsched.errors import InputError, shown

__all__ = ["POLICIES", "described", "policy"]

POLICIES = Registry[Callable[[Any], Any]]("optsched.policies", Callable, "policy")
"""The policies of all installed packages: an entry point of the group adds one."""


def policy(name: str) -> Callable[[Any], Any]:
    """Return a policy by its name; raise InputError for an unknown one.

    A policy that must be made for each simulation (since it holds a process or a scheduler) has an attribute ``fresh``:
    a function without arguments that returns the one to use.
    """
    if name.startswith("process:"):
        from optsched.simulate.policies.process import process

        return process(name.removeprefix("process:"))
    if name.startswith("objective:"):
        from optsched.instance.objectives import objective
        from optsched.instance.records import ObjectiveSpec
        from optsched.simulate.policies.embedded import embedded

        objective(ObjectiveSpec(name=name.removeprefix("objective:")))
        return embedded(name.removeprefix("objective:"))
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"a function of a module ({error})", path="--policies", value=shown(name)) from None
    else:
        found = POLICIES.get(name, path="--policies")
    if not callable(found):
        raise InputError("a function from a state to allocations", path="--policies", value=shown(name))
    fresh = getattr(found, "fresh", None)
    made: Callable[[Any], Any] = fresh() if fresh is not None else found
    return made


def described() -> list[tuple[str, str]]:
    """Return the name and the first line of the documentation of each installed policy."""
    return [(name, (found.__doc__ or "").strip().splitlines()[0]) for name, found in POLICIES.found.items()]
