"""From the model's values to a plan, and from a plan to values to start from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from formulations.network.columns import Columns, Pairs
from formulations.network.patterns import Item, Shared
from formulations.network.sets import Options
from formulations.network.traffic import Traffic
from optsched._util.arrays import FloatArray, IntArray
from optsched.problem.placement.incumbents import settled
from optsched.problem.placement.packing import PackItem, pack, short_context
from optsched.problem.placement.rate_allocation import best_rates, loads
from optsched.problem.placement.servers import ServerInventory, pieces_of
from optsched.problem.problem import Places, Plan, Problem
from optsched.solvers.linear import LinearModel

__all__ = ["rates_of", "reader", "starter"]


def rates_of(o: Options, columns: Columns, traffic: Traffic, rows: int) -> Callable[[FloatArray], FloatArray]:
    """Return what reads the network rate of each row that is chosen."""

    def rates(values: FloatArray) -> FloatArray:
        found = np.full(rows, np.nan)
        chosen = np.flatnonzero((values[columns.x] > 0.5) & (traffic.rate >= 0))
        found[o.row[chosen]] = values[traffic.rate[chosen]]
        return found

    return rates


def reader(
    problem: Problem, o: Options, columns: Columns, pairs: Pairs, traffic: Traffic | None
) -> Callable[[FloatArray], Plan]:
    """Return what reads a plan: pieces are dealt out to servers, and then all rates are the best for these places.

    A job whose pieces find no servers is left out.
    """
    inventory = ServerInventory.of(problem)
    servers_of = [tuple(inventory.number[name] for name in c.names) for c in o.classes]
    job_of_kind = np.array([kind.job for kind in o.kinds], dtype=np.int64)

    def read(values: FloatArray) -> Plan:
        context = short_context()
        rows = np.full(problem.configurations.jobs, -1, dtype=np.int64)
        chosen = np.flatnonzero(values[columns.x] > 0.5)
        rows[problem.configurations.job[o.row[chosen]]] = o.row[chosen]
        sends = np.zeros(len(o.kinds))
        if traffic is not None:
            of = np.isin(o.option, chosen) & (traffic.rate[o.option] >= 0)
            sends[o.kind[of]] = o.share[of] * values[traffic.rate[o.option[of]]]
        wanted = []
        for k in np.flatnonzero(values[columns.z] > 0.5).tolist():
            kind = int(pairs.kind[k])
            row = rows[job_of_kind[kind]]
            if row >= 0:
                piece = next((p for p in pieces_of(problem, int(row)) if p.gpus == o.kinds[kind].gpus), None)
                if piece is not None:
                    count = round(float(values[columns.z[k]]))
                    place = servers_of[pairs.place[k]]
                    wanted.append(PackItem(int(job_of_kind[kind]), piece, count, place, float(sends[kind])))
        stands = pack(inventory, wanted, context)
        places: list[Places | None] = [None] * len(rows)
        for job in np.flatnonzero(rows >= 0).tolist():
            needed = sum(piece.count for piece in pieces_of(problem, int(rows[job])))
            if job in stands and len(stands[job]) == needed:
                places[job] = inventory.places(stands[job])
            else:
                rows[job] = -1
        rows = settled(problem, Plan(rows, None, tuple(places))).rows
        if traffic is None:
            return Plan(rows, None, tuple(places))
        found = best_rates(problem, inventory, rows, tuple(places), context)
        if found is not None:
            return found
        gbps = np.full(len(rows), np.nan)
        gbps[problem.configurations.job[o.row[chosen]]] = [
            values[traffic.rate[k]] if traffic.rate[k] >= 0 else np.nan for k in chosen.tolist()
        ]
        return Plan(rows, gbps, tuple(places))

    return read


def starter(
    model: LinearModel,
    problem: Problem,
    o: Options,
    columns: Columns,
    pairs: Pairs,
    racks: dict[tuple[int, str], int],
    traffic: Traffic | None,
    shared: Shared | None,
    least: IntArray | None,
) -> Callable[[Plan], FloatArray]:
    """Return what sets the model's values to a plan's."""
    class_of = {name: k for k, c in enumerate(o.classes) for name in c.names}
    inventory = ServerInventory.of(problem)
    number_of = {pair: k for k, pair in enumerate(zip(pairs.kind.tolist(), pairs.place.tolist(), strict=True))}

    def start(plan: Plan) -> FloatArray:
        values = np.zeros(model.columns)
        contents: dict[str, Counter[Item]] = {}
        assert plan.places is not None
        for job in np.flatnonzero(plan.rows >= 0).tolist():
            row, stands = int(plan.rows[job]), plan.places[job]
            assert stands is not None
            names = [*stands.gpus, *stands.servers]
            here = np.zeros(len(o.classes), dtype=bool)
            here[[class_of[name] for name in names]] = True
            own = np.flatnonzero((o.row == row) & ~(here & ~o.domains[o.domain]).any(axis=1))
            if len(own) == 0:
                continue
            option = int(own[np.argmin(o.domains[o.domain[own]].sum(axis=1))])
            values[columns.x[option]] = 1.0
            kinds = {o.kinds[k].gpus: k for k in o.kind[o.option == option].tolist()}
            rate = 0.0
            if traffic is not None and plan.gbps is not None and traffic.rate[option] >= 0:
                rate = float(plan.gbps[job])
                values[traffic.rate[option]] = rate
            for name, size in [*stands.gpus.items(), *((name, 0) for name in stands.servers)]:
                values[columns.z[number_of[kinds[size], class_of[name]]]] += 1
                if size:
                    contents.setdefault(name, Counter())[size, o.kinds[kinds[size]].sends] += 1
                elif (key := (job, o.rack(class_of[name]))) in racks:
                    values[racks[key]] = 1.0
            if traffic is not None:
                _send(values, o, pairs, traffic, option, rate, columns.z)
                _cross(values, problem, inventory, o, traffic, job, row, stands, rate)
        if shared is not None:
            shared(values, contents)
        if traffic is not None:
            traffic.fill(values)
        if least is not None:
            values[least] = problem.total(plan)
        return values

    return start


def _send(
    values: FloatArray, o: Options, pairs: Pairs, traffic: Traffic, option: int, rate: float, z: IntArray
) -> None:
    """Set tau of a job's pieces."""
    share = dict(zip(o.kind[o.option == option].tolist(), o.share[o.option == option].tolist(), strict=True))
    kinds = pairs.kind[traffic.sent.pair]
    for k in np.flatnonzero(np.isin(kinds, list(share))).tolist():
        if traffic.sent.column[k] != z[traffic.sent.pair[k]]:  # what is given needs no column
            values[traffic.sent.column[k]] = share[int(kinds[k])] * rate * values[z[traffic.sent.pair[k]]]


def _cross(
    values: FloatArray,
    problem: Problem,
    inventory: ServerInventory,
    o: Options,
    traffic: Traffic,
    job: int,
    row: int,
    stands: Places,
    rate: float,
) -> None:
    """Set u and l of a job."""
    crosses = dict(loads(problem, inventory, row, stands))
    below = np.zeros(len(o.classes), dtype=bool)
    below[[k for k, c in enumerate(o.classes) if set(c.names) & set(stands.gpus)]] = True
    for (owner, link), (sides, carried) in traffic.link.items():
        if owner == job:
            values[carried] = rate * crosses.get(len(inventory.servers) + link, 0.0)
            under = o.crossings[link].below
            for u, side in zip(sides, (under, ~under), strict=False):
                values[u] = float((side & below).any())
