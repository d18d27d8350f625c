"""Configurations: every way in which every job of an instance may run."""

from optsched.configurations.measures import measured_by
from optsched.configurations.parts import repeated, same_rows, some_rows, with_resource
from optsched.configurations.rates import rising, sampled
from optsched.configurations.table import Configurations, Ways, points_of, throughputs
from optsched.configurations.tabulate import tabulate

__all__ = [
    "Configurations",
    "Ways",
    "measured_by",
    "points_of",
    "repeated",
    "rising",
    "same_rows",
    "sampled",
    "some_rows",
    "tabulate",
    "throughputs",
    "with_resource",
]
