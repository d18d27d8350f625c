"""Divisible resources: shares of jobs that are continuous, for up to millions of them, with a proof."""

from optsched.timeshare.divisible.leontief import dominant_shares, nash_welfare
from optsched.timeshare.divisible.shares import Shared, shares

__all__ = ["Shared", "dominant_shares", "nash_welfare", "shares"]
