"""What a plan leaves of the ground."""

from __future__ import annotations

import numpy as np

from optsched.instance.topology import Crossing, Room, ServerClass
from optsched.problem.placement.rate_allocation import loads
from optsched.problem.placement.servers import Ground, pieces_of
from optsched.problem.problem import Plan, Problem

__all__ = ["room_left"]


def room_left(problem: Problem, ground: Ground, plan: Plan) -> Room:
    """Return what a plan leaves of the ground, servers of equal rest in one class."""
    free = np.column_stack([ground.capacity, [s.network_gbps for s in ground.servers]])
    across = np.array([c.capacity for c in ground.crossings])
    assert plan.places is not None
    for j in np.flatnonzero(plan.rows >= 0).tolist():
        row, stands = int(plan.rows[j]), plan.places[j]
        assert stands is not None
        takes = {piece.gpus: piece.takes for piece in pieces_of(problem, row)}
        for name, size in [*stands.gpus.items(), *((name, 0) for name in stands.servers)]:
            free[ground.number[name], :3] -= takes[size]
        if plan.gbps is not None and not np.isnan(plan.gbps[j]):
            for number, amount in loads(problem, ground, row, stands):
                if number < len(free):
                    free[number, 3] -= amount * plan.gbps[j]
                else:
                    across[number - len(free)] -= amount * plan.gbps[j]
    free = np.maximum(np.round(free, 9), 0.0)
    alike: dict[tuple[object, ...], list[int]] = {}
    for s, server in enumerate(ground.servers):
        alike.setdefault((server.site, server.rack, server.gpu_type, *free[s]), []).append(s)
    first = [members[0] for members in alike.values()]
    classes = tuple(
        ServerClass(
            tuple(ground.servers[s].names[0] for s in members),
            ground.servers[members[0]].site,
            ground.servers[members[0]].rack,
            ground.servers[members[0]].gpu_type,
            round(free[members[0], 0]),
            *(float(x) for x in free[members[0], 1:]),
        )
        for members in alike.values()
    )
    links = [
        Crossing(c.link, c.site, max(0.0, float(left)), c.below[first])
        for c, left in zip(ground.crossings, across, strict=True)
    ]
    return Room(classes, tuple(links))
