"""Schedules over time: when which job runs, in which configuration, with a proven bound.

>>> import optsched
>>> from optsched.schedule import Horizon, plan
>>> instance = optsched.load("instances/schedule/deadlines-10.json")
>>> plan(instance, Horizon(objective="on-time")).status
'optimal'
"""

from __future__ import annotations

from optsched.schedule.check import check
from optsched.schedule.facade import plan
from optsched.schedule.model import Demand, Horizon, Reservation, Shared, load_horizon, save_horizon
from optsched.schedule.objectives import GOALS
from optsched.schedule.records import Run, Schedule, load_schedule, save_schedule

__all__ = [
    "GOALS",
    "Demand",
    "Horizon",
    "Reservation",
    "Run",
    "Schedule",
    "Shared",
    "check",
    "load_horizon",
    "load_schedule",
    "plan",
    "save_horizon",
    "save_schedule",
]
