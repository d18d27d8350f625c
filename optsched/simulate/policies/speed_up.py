"""The greedy heuristics by speed-up of Lin et al."""

from __future__ import annotations

from optsched._util.arrays import IntArray
from optsched.simulate.policies.greedy import ladders
from optsched.simulate.state import State

__all__ = ["speed_up", "speed_up_shortest"]


def speed_up(state: State) -> IntArray:
    """The next GPUs go to the job whose throughput they raise most, relative to what it has, for each GPU.

    The class of greedy schedulers after Lin et al., MASCOTS'18, sec. V: they know how jobs scale, and nothing of
    how long they take. Jobs start in the order of their arrival.
    """
    made = ladders(state, state.arrival.argsort(kind="stable"))
    return made.grow(lambda job, row, larger, more: (made.rate[job, larger] / made.rate[job, row] - 1.0) / more)


def speed_up_shortest(state: State) -> IntArray:
    """As speed-up, with the relative gain over the time left: of equally scalable jobs, the shortest first.

    After Lin et al., MASCOTS'18, sec. V (the variant that weighs by remaining work).
    """
    made = ladders(state, state.fixed_time().argsort(kind="stable"))
    return made.grow(
        lambda job, row, larger, more: (
            (made.rate[job, larger] / made.rate[job, row] - 1.0) / more / max(1e-9, made.time[job, row])
        )
    )
