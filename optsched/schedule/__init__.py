"""Schedules over time: when which job runs, in which configuration, with a proven bound.

>>> import optsched
>>> from optsched.schedule import Horizon, plan
>>> instance = optsched.load("instances/schedule/deadlines-10.json")
>>> plan(instance, Horizon(objective="on-time")).status
'optimal'
"""

from __future__ import annotations

from optsched.schedule.checker import check
from optsched.schedule.horizon import Demand, Horizon, Reservation, Shared, load_horizon, save_horizon
from optsched.schedule.objectives import GOALS
from optsched.schedule.records import Run, Schedule, load_schedule, save_schedule
from optsched.schedule.solve import plan

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
