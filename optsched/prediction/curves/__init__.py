"""Throughput as a function of the configuration: model families, their fit, and their linearization."""

from __future__ import annotations

from optsched.prediction.curves.allreduce import AllReduce
from optsched.prediction.curves.amdahl import Amdahl
from optsched.prediction.curves.base import CurveBase
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.monotone import Monotone
from optsched.prediction.curves.parameter_servers.curve import ParameterServer
from optsched.prediction.curves.power import Corrected, Power
from optsched.prediction.curves.tabulated import Table, TableRow

__all__ = [
    "AllReduce",
    "Amdahl",
    "Corrected",
    "Curve",
    "CurveBase",
    "Monotone",
    "ParameterServer",
    "Points",
    "Power",
    "Table",
    "TableRow",
]

Curve = AllReduce | Amdahl | Corrected | Monotone | ParameterServer | Power | Table
"""Every family that a file can hold; its ``family`` key tells which."""
