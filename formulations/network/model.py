"""The linear model of the formulations ``network`` and ``placement``; names are those of their mathematics."""

from __future__ import annotations

from functools import partial

import numpy as np

from formulations.network.branching import Splits
from formulations.network.columns import Columns, Pairs
from formulations.network.decode import rates_of, reader, starter
from formulations.network.patterns import add_patterns
from formulations.network.sets import Options, options
from formulations.network.traffic import Traffic, add_network
from formulations.rows import add_capacities, add_choices, add_least, add_moves
from optsched._util.arrays import FloatArray, IntArray, by_group, positions, stretches
from optsched.problem.formulation import DEFAULT, Formulated, ModelOptions
from optsched.problem.problem import Problem, row_label
from optsched.solvers.linear import LinearModel

__all__ = ["build"]


def build(problem: Problem, model_options: ModelOptions = DEFAULT) -> Formulated:
    """Return the model for linear backends."""
    model = LinearModel()
    o = options(problem, merge="merge" not in model_options.exclude, split="domains" not in model_options.exclude)
    columns, pairs = _choice(model, problem, o)
    if "pools" not in model_options.exclude:
        _pools(model, problem, o, columns.x)
    add_moves(model, problem, "C3", columns.x[problem.configurations.kept[o.row]])
    _pieces(model, problem, o, columns, pairs)
    _servers(model, problem, o, columns, pairs)
    fill_patterns = cut = None
    if "patterns" not in model_options.exclude:
        fill_patterns, cut = add_patterns(model, o, columns.z, pairs)
    racks = _racks(model, o, columns, pairs)
    traffic: Traffic | None = None
    if problem.instance.decides == "network":
        traffic = add_network(model, problem, o, columns, pairs, racks, model_options)
    least = _least(model, problem, o, columns.x, traffic)
    return Formulated(
        model,
        read=reader(problem, o, columns, pairs, traffic),
        start=starter(model, problem, o, columns, pairs, racks, traffic, fill_patterns, least),
        error=0.0 if traffic is None else traffic.error,
        notes=() if traffic is None else traffic.notes,
        cut=cut,
        rates=None if traffic is None else rates_of(o, columns, traffic, len(problem.configurations)),
        disjunctions=None if traffic is None else partial(Splits.of, problem, o, columns, pairs, traffic),
    )


def _choice(model: LinearModel, problem: Problem, o: Options) -> tuple[Columns, Pairs]:
    """Add x, z and C1."""
    table = problem.configurations
    jobs = [job.id for job in problem.instance.jobs]
    least = problem.objective.aggregate == "min"
    worth = np.where(o.rated & (o.slow < o.fast), 0.0, problem.value[o.row])

    def label(k: int) -> str:
        domain = [str(c) for c, inside in zip(o.classes, o.domains[o.domain[k]], strict=True) if inside]
        return f"{row_label(problem, int(o.row[k]))},{'+'.join(domain)}"

    x = model.add_variables("x", len(o.row), upper=1.0, integer=True, cost=0.0 if least else worth, label=label)
    fits = np.array([kind.fits for kind in o.kinds], dtype=bool).reshape(-1, len(o.classes))
    kind, place = np.nonzero(fits)
    most = np.zeros(len(o.kinds), dtype=np.int64)
    np.maximum.at(most, o.kind, o.count)
    pairs = Pairs(kind, place, np.minimum(most[kind], o.sizes[place]))

    def pair_label(k: int) -> str:
        piece = o.kinds[kind[k]]
        what = f"{piece.gpus}xGPU" if piece.gpus else "server"
        what += f"@{piece.sends:g}" if piece.sends else ""
        return f"{jobs[piece.job]},{what},{o.classes[place[k]]}"

    z = model.add_variables("z", len(kind), upper=pairs.most, integer=True, label=pair_label)
    add_choices(model, problem, "C1", table.job[o.row], x)
    return Columns(x, z), pairs


def _pools(model: LinearModel, problem: Problem, o: Options, x: IntArray) -> None:
    """Add C2: the resources of pools and sites, which servers imply, but which are tighter than all of them."""
    table = problem.configurations
    start, resource, amount = table.used_by_row
    count = np.diff(start)[o.row]
    entry = stretches(start[o.row], count)
    add_capacities(model, problem, "C2", (resource[entry], np.repeat(x, count), amount[entry]))


def _pieces(model: LinearModel, problem: Problem, o: Options, columns: Columns, pairs: Pairs) -> None:
    """Add C4 and C5: the pieces of an option stand in its domain, and C9: where they are held."""
    x, z = columns.x, columns.z
    entries = (
        np.concatenate([pairs.kind, o.kind]),
        np.concatenate([z, x[o.option]]),
        np.concatenate([np.ones(len(z)), -o.count.astype(np.float64)]),
    )
    model.add_rows("C4", entries, lower=0.0, upper=0.0, size=len(o.kinds))
    rows: list[tuple[IntArray, IntArray, FloatArray]] = []
    number = 0
    fits = np.array([kind.fits for kind in o.kinds], dtype=bool).reshape(-1, len(o.classes))
    for h in range(len(o.domains)):
        inside = np.array([not (o.domains[g] & ~o.domains[h]).any() for g in range(len(o.domains))])
        mine = inside[o.domain[o.option]] & (fits[o.kind] & ~o.domains[h]).any(axis=1)
        kinds = np.unique(o.kind[mine])
        if len(kinds) == 0:
            continue
        place = np.full(len(o.kinds), -1)
        place[kinds] = number + np.arange(len(kinds))
        stands = o.domains[h][pairs.place] & (place[pairs.kind] >= 0)
        rows.append((place[pairs.kind[stands]], z[stands], np.ones(int(stands.sum()))))
        rows.append((place[o.kind[mine]], x[o.option[mine]], -o.count[mine].astype(np.float64)))
        number += len(kinds)
    if number:
        r, c, a = (np.concatenate(part) for part in zip(*rows, strict=True))
        model.add_rows("C5", (r, c, a), lower=0.0, size=number)
    if o.held:
        of_pair = {pair: k for k, pair in enumerate(zip(pairs.kind.tolist(), pairs.place.tolist(), strict=True))}
        held = [(of_pair[kind, place], option, count) for option, kind, place, count in o.held]
        every = np.arange(len(held))
        entries = (
            np.concatenate([every, every]),
            np.array([*(z[k] for k, _, _ in held), *(x[option] for _, option, _ in held)]),
            np.array([*(1.0 for _ in held), *(-float(count) for _, _, count in held)]),
        )
        model.add_rows("C9", entries, lower=0.0, size=len(held))


def _servers(model: LinearModel, problem: Problem, o: Options, columns: Columns, pairs: Pairs) -> None:
    """Add C6: a server of its own for each piece of a job, and C7: what each class has."""
    job = np.array([kind.job for kind in o.kinds], dtype=np.int64)
    x_job = problem.configurations.job[o.row]
    cell = job[pairs.kind] * len(o.classes) + pairs.place
    cells, number = np.unique(cell, return_inverse=True)
    owner, place = np.divmod(cells, len(o.classes))
    first, order = by_group(x_job, problem.configurations.jobs)
    count = np.diff(first)[owner]
    option = order[stretches(first[owner], count)]
    row = np.repeat(np.arange(len(cells)), count)
    entries = (
        np.concatenate([number, row]),
        np.concatenate([columns.z, columns.x[option]]),
        np.concatenate([np.ones(len(cell)), -o.sizes[place][row]]),
    )
    model.add_rows("C6", entries, upper=0.0, size=len(cells))
    takes = np.array([kind.takes for kind in o.kinds], dtype=np.float64).reshape(-1, 3)
    has = np.array([(c.gpus, c.cpu_cores, c.memory_gb) for c in o.classes], dtype=np.float64)
    for d, what in enumerate(("GPUs", "CPU cores", "GB")):
        binds = np.flatnonzero(np.isfinite(has[:, d]) & (has[:, d] > 0 if d == 0 else True))
        at = positions(binds, len(o.classes))
        mine = (at[pairs.place] >= 0) & (takes[pairs.kind, d] > 0)
        if mine.any():
            model.add_rows(
                "C7",
                (at[pairs.place[mine]], columns.z[mine], takes[pairs.kind[mine], d]),
                upper=(o.sizes * has[:, d])[binds],
                size=len(binds),
                label=lambda k, binds=binds, what=what: f"{what},{o.classes[binds[k]]}",  # type: ignore[misc]
            )


def _racks(model: LinearModel, o: Options, columns: Columns, pairs: Pairs) -> dict[tuple[int, str], int]:
    """Add g and C10: the parameter servers of a job stand in one rack; return the column of each (job, rack)."""
    gpus = np.array([kind.gpus for kind in o.kinds], dtype=np.int64)
    mine = np.flatnonzero(gpus[pairs.kind] == 0) if len(gpus) else np.empty(0, dtype=np.int64)
    place_of = [(o.kinds[pairs.kind[k]].job, o.rack(int(pairs.place[k]))) for k in mine.tolist()]
    keys = list(dict.fromkeys(place_of))
    if not keys:
        return {}
    g = model.add_variables("g", len(keys), upper=1.0, integer=True, label=lambda k: f"{keys[k][0]},{keys[k][1]}")
    found = dict(zip(keys, g.tolist(), strict=True))
    every = np.arange(len(mine))
    entries = (
        np.concatenate([every, every]),
        np.concatenate([columns.z[mine], np.array([found[key] for key in place_of])]),
        np.concatenate([np.ones(len(mine)), -pairs.most[mine].astype(np.float64)]),
    )
    model.add_rows("C10", entries, upper=0.0, size=len(mine))
    owners = sorted({job for job, _ in keys})
    at = {job: k for k, job in enumerate(owners)}
    model.add_rows("C10one", ([at[job] for job, _ in keys], g, 1.0), upper=1.0, size=len(owners))
    return found


def _least(model: LinearModel, problem: Problem, o: Options, x: IntArray, traffic: Traffic | None) -> IntArray | None:
    """Add t and C22, for a minimum; return the column of t."""
    if problem.objective.aggregate != "min":
        return None
    party = problem.party[problem.configurations.job[o.row]]
    constant = ~(o.rated & (o.slow < o.fast))
    values = [(party[constant], x[constant], problem.value[o.row[constant]])]
    if traffic is not None:
        values.append((party[traffic.option], traffic.value, np.ones(len(traffic.option))))
    return add_least(model, problem, "t", "C22", values, problem.ceiling)
