"""The solver inside another scheduler: state in, difference out, round after round."""

from optsched.scheduler.records import Action, LiveJob, Plan
from optsched.scheduler.scheduler import Scheduler

__all__ = ["Action", "LiveJob", "Plan", "Scheduler"]
