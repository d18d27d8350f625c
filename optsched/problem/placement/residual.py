"""What a plan leaves of the ground."""

from __future__ import annotations

import numpy as np

from optsched.instance.topology import Crossing, Room, ServerClass
from optsched.problem.placement.rate_allocation import loads
from optsched.problem.placement.servers import ServerInventory, pieces_of
from optsched.problem.problem import Plan, Problem

__all__ = ["residual_room"]


def residual_room(problem: Problem, inventory: ServerInventory, plan: Plan) -> Room:
    """Return what a plan leaves of the ground, servers of equal rest in one class."""
    free = np.column_stack([inventory.capacity, [s.network_gbps for s in inventory.servers]])
    across = np.array([c.capacity for c in inventory.crossings])
    assert plan.places is not None
    for j in np.flatnonzero(plan.rows >= 0).tolist():
        row, placed = int(plan.rows[j]), plan.places[j]
        assert placed is not None
        takes = {piece.gpus: piece.takes for piece in pieces_of(problem, row)}
        for name, size in [*placed.gpus.items(), *((name, 0) for name in placed.servers)]:
            free[inventory.number[name], :3] -= takes[size]
        if plan.gbps is not None and not np.isnan(plan.gbps[j]):
            for number, amount in loads(problem, inventory, row, placed):
                if number < len(free):
                    free[number, 3] -= amount * plan.gbps[j]
                else:
                    across[number - len(free)] -= amount * plan.gbps[j]
    free = np.maximum(np.round(free, 9), 0.0)
    alike: dict[tuple[object, ...], list[int]] = {}
    hosts = problem.configurations.hosts
    for s, server in enumerate(inventory.servers):
        sets = b"" if hosts is None else hosts[:, inventory.listed[s]].tobytes()
        alike.setdefault((server.site, server.rack, server.gpu_type, sets, *free[s]), []).append(s)
    first = [members[0] for members in alike.values()]
    classes = tuple(
        ServerClass(
            tuple(inventory.servers[s].names[0] for s in members),
            inventory.servers[members[0]].site,
            inventory.servers[members[0]].rack,
            inventory.servers[members[0]].gpu_type,
            round(free[members[0], 0]),
            *(float(x) for x in free[members[0], 1:]),
        )
        for members in alike.values()
    )
    links = [
        Crossing(c.link, c.site, max(0.0, float(residual)), c.below[first])
        for c, residual in zip(inventory.crossings, across, strict=True)
    ]
    return Room(classes, tuple(links))
