"""Throughput as a function of the configuration: model families, their fit, and their linearization."""

from __future__ import annotations

from optsched.curves.allreduce import AllReduce
from optsched.curves.amdahl import Amdahl
from optsched.curves.family import CurveBase
from optsched.curves.monotone import Monotone
from optsched.curves.points import FloatArray, IntArray, Points
from optsched.curves.servers.curve import ParameterServer
from optsched.curves.table import Table, TableRow

__all__ = [
    "AllReduce",
    "Amdahl",
    "Curve",
    "CurveBase",
    "FloatArray",
    "IntArray",
    "Monotone",
    "ParameterServer",
    "Points",
    "Table",
    "TableRow",
]

Curve = AllReduce | Amdahl | Monotone | ParameterServer | Table
"""Every family that a file can hold; its ``family`` key tells which."""
