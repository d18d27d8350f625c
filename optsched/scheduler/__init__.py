"""The solver inside another scheduler: state in, difference out, round after round."""

from optsched.scheduler.records import Action, LabelledConfiguration, LiveJob, Plan
from optsched.scheduler.scheduler import Scheduler

__all__ = ["Action", "LabelledConfiguration", "LiveJob", "Plan", "Scheduler"]
