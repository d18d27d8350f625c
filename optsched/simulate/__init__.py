"""Simulation: how policies do on workloads, event by event."""

from optsched.simulate.engine import run
from optsched.simulate.outcome import Outcome, finish_time_fairness, metrics
from optsched.simulate.state import State
from optsched.simulate.sweeps import sweep
from optsched.simulate.tables import Tables, tabulate
from optsched.simulate.workload import Workload, load, loads, save
from optsched.simulate.world import Options

__all__ = [
    "Options",
    "Outcome",
    "State",
    "Tables",
    "Workload",
    "finish_time_fairness",
    "load",
    "loads",
    "metrics",
    "run",
    "save",
    "sweep",
    "tabulate",
]
