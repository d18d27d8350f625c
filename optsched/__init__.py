"""optsched: optimization-based scheduling of deep-learning clusters.

>>> import optsched
>>> instance = optsched.load("instances/quickstart.json")
>>> result = optsched.solve(instance, objective="progress")
>>> result.status
'optimal'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optsched.checker import Report, check
    from optsched.errors import InputError, OptschedError, SolverError
    from optsched.exporting import Exported, export
    from optsched.facade import solve
    from optsched.instance import Instance, ObjectiveSpec, load, loads, save
    from optsched.result import Result, load_result, save_result

__version__ = "0.1.0"

__all__ = [
    "Exported",
    "InputError",
    "Instance",
    "ObjectiveSpec",
    "OptschedError",
    "Report",
    "Result",
    "SolverError",
    "check",
    "export",
    "load",
    "load_result",
    "loads",
    "save",
    "save_result",
    "solve",
]

_HOME = {
    "InputError": "errors", "OptschedError": "errors", "SolverError": "errors",
    "Instance": "instance", "ObjectiveSpec": "instance", "load": "instance", "loads": "instance", "save": "instance",
    "Result": "result", "load_result": "result", "save_result": "result",
    "Exported": "exporting", "export": "exporting", "Report": "checker", "check": "checker", "solve": "facade",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: solvers and numpy take most of a second."""
    if name not in _HOME:
        raise AttributeError(f"module 'optsched' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"optsched.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
