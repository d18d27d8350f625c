"""Time shares: which part of the time each job runs on which GPU type, by exact linear programs of any size.

The policies are those of Gavel (Narayanan et al., OSDI'20): one function each, from a
:class:`~optsched.timeshare.market.Market` and arrays to :class:`~optsched.timeshare.shares.Shares`.
"""

from optsched.timeshare.finish_time import finish_time
from optsched.timeshare.makespan import makespan
from optsched.timeshare.market import Market, Pairs, market
from optsched.timeshare.maxmin import max_min
from optsched.timeshare.shares import Shares

__all__ = ["Market", "Pairs", "Shares", "finish_time", "makespan", "market", "max_min"]
