"""Configurations: every way in which every job of an instance may run."""

from optsched.problem.configurations.build import tabulate
from optsched.problem.configurations.hosts import server_numbers
from optsched.problem.configurations.network_rates import rising, sampled
from optsched.problem.configurations.reference import measured_by
from optsched.problem.configurations.remembered import Remembered
from optsched.problem.configurations.select import repeated, same_rows, some_rows, with_resource, with_resources
from optsched.problem.configurations.table import ConfigurationColumns, Configurations, points_of, throughputs

__all__ = [
    "ConfigurationColumns",
    "Configurations",
    "Remembered",
    "measured_by",
    "points_of",
    "repeated",
    "rising",
    "same_rows",
    "sampled",
    "server_numbers",
    "some_rows",
    "tabulate",
    "throughputs",
    "with_resource",
    "with_resources",
]
