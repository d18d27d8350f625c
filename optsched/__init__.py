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
    from optsched.checker.arrays import TableReport, check_table
    from optsched.errors import InputError, OptschedError, SolverError
    from optsched.instance import Instance, ObjectiveSpec, load, loads, save
    from optsched.instance.result import Result, load_result, save_result
    from optsched.model_files import Exported, export
    from optsched.scheduler.scheduler import Scheduler
    from optsched.search.solve import solve
    from optsched.search.table import LinearLimit, TableResult, solve_table

__version__ = "0.2.0"

__all__ = [
    "Exported",
    "InputError",
    "Instance",
    "LinearLimit",
    "ObjectiveSpec",
    "OptschedError",
    "Report",
    "Result",
    "Scheduler",
    "SolverError",
    "TableReport",
    "TableResult",
    "check",
    "check_table",
    "export",
    "load",
    "load_result",
    "loads",
    "save",
    "save_result",
    "solve",
    "solve_table",
]

_HOME = {
    "Exported": "model_files",
    "InputError": "errors",
    "Instance": "instance",
    "LinearLimit": "search.table",
    "ObjectiveSpec": "instance",
    "OptschedError": "errors",
    "Report": "checker",
    "Result": "instance.result",
    "Scheduler": "scheduler.scheduler",
    "SolverError": "errors",
    "TableReport": "checker.arrays",
    "TableResult": "search.table",
    "check": "checker",
    "check_table": "checker.arrays",
    "export": "model_files",
    "load": "instance",
    "load_result": "instance.result",
    "loads": "instance",
    "save": "instance",
    "save_result": "instance.result",
    "solve": "search.solve",
    "solve_table": "search.table",
}
"""The module in which each public name is defined."""


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: solvers and numpy take most of a second."""
    if name not in _HOME:
        raise AttributeError(f"module 'optsched' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"optsched.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
