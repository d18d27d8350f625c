"""Time shares: which part of the time each job runs on which GPU type, by exact linear programs of any size.

The policies are those of Gavel (Narayanan et al., OSDI'20): one function each, from a
:class:`~optsched.timeshare.market.Market` and arrays to :class:`~optsched.timeshare.shares.Shares`.
"""

from optsched.timeshare.finish_time import finish_time
from optsched.timeshare.hierarchical import hierarchical
from optsched.timeshare.makespan import makespan
from optsched.timeshare.market import Market, Pairs, market
from optsched.timeshare.maxmin import max_min
from optsched.timeshare.proportional import proportional
from optsched.timeshare.shares import Shares
from optsched.timeshare.throughput import cost, first_in_first_out, throughput

__all__ = [
    "Market",
    "Pairs",
    "Shares",
    "cost",
    "finish_time",
    "first_in_first_out",
    "hierarchical",
    "makespan",
    "market",
    "max_min",
    "proportional",
    "throughput",
]
