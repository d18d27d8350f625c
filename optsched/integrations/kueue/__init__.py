"""Kueue: plan its workloads, and tell it by priority boosts which come first."""

from optsched.integrations.kueue.boosts import Boost, boosts_of
from optsched.integrations.kueue.view import View, view_of

__all__ = ["Boost", "View", "boosts_of", "view_of"]
