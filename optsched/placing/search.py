"""Large neighbourhoods: a few jobs are decided anew, in the room that the others leave them (Shaw, CP'98)."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from optsched.backends import Limits, Watch
from optsched.curves import FloatArray, IntArray
from optsched.formulation import Choices, formulation
from optsched.places import Crossing, Room, ServerClass
from optsched.placing.ground import Ground, pieces_of
from optsched.placing.holdings import part_of
from optsched.placing.rates import best_rates, loads
from optsched.problem import Plan, Problem

__all__ = ["improved", "room_left"]

_CHOICES = Choices(without=frozenset({"pools"}))
_SECONDS = 1.5
"""Most for one neighbourhood."""
_ROWS = 12
"""Rows of each job in a neighbourhood: those of the greatest value less what they take at the prices."""
_ERROR = 1e-2
"""Of the values at network rates: what is found is rated anew."""
_PATIENCE = 30
"""Neighbourhoods without a better plan after which the search ends."""


def improved(problem: Problem, plan: Plan, worth: FloatArray, watch: Watch, seed: int = 0) -> Plan:
    """Return a plan no worse than the given one; the search ends when it finds nothing for a while, or in time.

    Parameters
    ----------
    worth
        Of each row, its value less what it takes at prices, shape ``(rows,)``: the best rows are tried.
    """
    from optsched.backends import highs

    random = np.random.default_rng(seed)
    table = problem.configurations
    ground = Ground.of(problem)
    build = formulation(problem.instance.decides).forms["linear"]
    jobs = np.flatnonzero(np.diff(table.first) > 0)
    jobs = np.array([j for j in jobs.tolist() if problem.instance.jobs[j].holds is None], dtype=np.int64)
    best, value, idle, size = plan, problem.total(plan), 0, 4
    while idle < _PATIENCE and watch.limits.left() > 0.2 and not watch.stopping() and len(jobs):
        chosen = _neighbours(problem, best, jobs, min(size, len(jobs)), random)
        part, number = _part(problem, ground, best, chosen, worth)
        built = build(part, _CHOICES)
        limits = Limits(time.monotonic() + min(_SECONDS, watch.limits.left()), 1e-3, watch.limits.seed, 1)
        assert built.start is not None
        outcome = highs.solve(built.model, Watch(limits), start=built.start(_only(best, chosen, number)))
        # the larger the neighbourhood, the better, as long as it is solved
        size = min(size + 1, 16) if outcome.status == "optimal" else max(3, size - 1)
        idle += 1
        if outcome.values is None:
            continue
        found = _joined(problem, ground, best, number, built.read(outcome.values), chosen, watch)
        if found is not None and (now := problem.total(found)) > value + 1e-7 * abs(value):
            best, value, idle = found, now, 0
            watch.progress("neighbourhoods", value, None)
    return best


def _neighbours(
    problem: Problem, plan: Plan, jobs: IntArray, size: int, random: np.random.Generator
) -> IntArray:  # fmt: skip
    """Return jobs that share servers or racks with a random one, and some that wait."""
    assert plan.places is not None
    first = int(random.choice(jobs))
    stands = plan.places[first]
    near = set(stands.gpus) if stands else set()
    racks = {name.partition("/")[0] for name in near}
    score = random.random(len(jobs))
    for k, j in enumerate(jobs.tolist()):
        other = plan.places[j]
        if other is not None:
            score[k] += 0.5 * bool(near & set(other.gpus)) + 0.3 * bool(
                racks & {name.partition("/")[0] for name in other.gpus}
            )
    order = jobs[np.argsort(-score)]
    return np.unique(np.append(order[: size - 1], first))


def _part(
    problem: Problem, ground: Ground, plan: Plan, chosen: IntArray, worth: FloatArray
) -> tuple[Problem, IntArray]:
    """Return the problem of the chosen jobs in the room that the others leave, and its rows' numbers."""
    table = problem.configurations
    keep = np.zeros(len(table), dtype=bool)
    for j in chosen.tolist():
        own = np.arange(table.first[j], table.first[j + 1])
        keep[own[np.argsort(-worth[own], kind="stable")[:_ROWS]]] = True
    now = plan.rows[chosen]
    keep[now[now >= 0]] = True
    required = np.zeros(table.jobs, dtype=bool)
    required[chosen] = problem.required[chosen]
    others = Plan(plan.rows.copy(), plan.gbps, plan.places)
    others.rows[chosen] = -1
    part, number = part_of(problem, keep)
    room = room_left(problem, ground, others)
    return replace(part, required=required, error=max(problem.error, _ERROR), room=room, near=None), number


def _only(plan: Plan, chosen: IntArray, number: IntArray) -> Plan:
    """Return the plan of the chosen jobs alone, in the rows of their part."""
    rows = np.full_like(plan.rows, -1)
    running = chosen[plan.rows[chosen] >= 0]
    rows[running] = np.searchsorted(number, plan.rows[running])
    return Plan(rows, plan.gbps, plan.places)


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
            tuple(ground.servers[s].names[0] for s in members), ground.servers[members[0]].site,
            ground.servers[members[0]].rack, ground.servers[members[0]].gpu_type, round(free[members[0], 0]),
            *(float(x) for x in free[members[0], 1:]),
        )
        for members in alike.values()
    )  # fmt: skip
    links = [
        Crossing(c.link, c.site, max(0.0, float(left)), c.below[first])
        for c, left in zip(ground.crossings, across, strict=True)
    ]
    return Room(classes, tuple(links))


def _joined(
    problem: Problem, ground: Ground, plan: Plan, number: IntArray, found: Plan, chosen: IntArray, watch: Watch
) -> Plan | None:
    """Return the plan with what was found for the chosen jobs, at the best rates for all."""
    assert plan.places is not None
    assert found.places is not None
    rows, places = plan.rows.copy(), list(plan.places)
    for j in chosen.tolist():
        rows[j] = number[found.rows[j]] if found.rows[j] >= 0 else -1
        places[j] = found.places[j]
    if problem.instance.decides == "placement":
        return Plan(rows, None, tuple(places))
    return best_rates(problem, ground, rows, tuple(places), replace(watch, report=None))
