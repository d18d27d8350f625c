"""Measurements become curves: fit throughput, predict it with its interval, and say what to measure next.

Names are imported when they are used, since instances need the types of curves and not their fit.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optsched.prediction.curves import (
        AllReduce,
        Amdahl,
        Curve,
        CurveBase,
        Monotone,
        ParameterServer,
        Points,
        Table,
        TableRow,
    )
    from optsched.prediction.curves.experiment_design import profile_plan as suggest_measurements
    from optsched.prediction.curves.fit import fit
    from optsched.prediction.curves.fitted import CurveFile, Fitted, load_curves, save_curves
    from optsched.prediction.curves.measurements import (
        Configured,
        Measurements,
        read_configurations,
        read_measurements,
    )
    from optsched.prediction.curves.predict import predict

__all__ = [
    "AllReduce",
    "Amdahl",
    "Configured",
    "Curve",
    "CurveBase",
    "CurveFile",
    "Fitted",
    "Measurements",
    "Monotone",
    "ParameterServer",
    "Points",
    "Table",
    "TableRow",
    "fit",
    "load_curves",
    "predict",
    "read_configurations",
    "read_measurements",
    "save_curves",
    "suggest_measurements",
]

_HOME = {
    "Configured": "measurements",
    "CurveFile": "fitted",
    "Fitted": "fitted",
    "Measurements": "measurements",
    "fit": "fit",
    "load_curves": "fitted",
    "predict": "predict",
    "read_configurations": "measurements",
    "read_measurements": "measurements",
    "save_curves": "fitted",
    "suggest_measurements": "experiment_design",
}
"""The module of ``optsched.prediction.curves`` in which a name is defined; the others are in the package itself."""


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in __all__:
        raise AttributeError(f"module 'optsched.prediction' has no attribute {name!r}")
    module = "optsched.prediction.curves" + (f".{_HOME[name]}" if name in _HOME else "")
    return getattr(import_module(module), "profile_plan" if name == "suggest_measurements" else name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
