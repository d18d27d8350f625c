"""C11 to C24: rates of options, what pieces send from servers, and what jobs send across links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formulations.network.colocation import add_meetings
from formulations.network.columns import Columns, Pairs
from formulations.network.rows import Gathered
from formulations.network.sets import Options
from optsched._util.arrays import FloatArray, IntArray, by_group, positions, stretches
from optsched.instance.topology import Parted
from optsched.problem.formulation import ModelOptions
from optsched.problem.piecewise import Pieces, encode
from optsched.problem.placement.rate_breakpoints import rate_breakpoints
from optsched.problem.problem import Problem
from optsched.solvers.linear import LinearModel

__all__ = ["Traffic", "add_network"]

Bools = NDArray[np.bool_]
Links = dict[tuple[int, int], tuple[tuple[int, ...], int]]


@dataclass(frozen=True)
class Sent:
    """What pairs of pieces send: ``amount`` times a column, which is tau, or z where rates are given; ``(n,)`` each."""

    pair: IntArray
    column: IntArray
    amount: FloatArray


@dataclass(frozen=True)
class Traffic:
    """The columns of rates and traffic.

    rate
        Column B of each option, -1 where it has none; shape ``(o,)``.
    option, value
        Options with a choice of rates, and their columns y.
    sent
        What pairs of pieces send.
    link
        For each (job, crossing): columns u (below, and where domains do not tell, on the other side) and l.
    fill
        Sets y and what encodes it from the other columns.
    """

    rate: IntArray
    option: IntArray
    value: IntArray
    sent: Sent
    link: Links
    fill: Callable[[FloatArray], None]
    error: float
    notes: tuple[str, ...]


def add_network(
    model: LinearModel,
    problem: Problem,
    o: Options,
    columns: Columns,
    pairs: Pairs,
    rack_column: dict[tuple[int, str], int],
    options: ModelOptions,
) -> Traffic:
    """Add all rows and columns of rates."""
    rate, option, value, fill, error, notes = _rates(model, problem, o, columns.x, options)
    sent = _sent(model, o, columns, pairs, rate, options)
    workers = np.array([kind.gpus > 0 for kind in o.kinds], dtype=bool)[o.kind]
    pieces = np.bincount(o.option[workers], o.count[workers], len(o.row)).astype(np.int64)
    link = _links(model, problem, o, columns, pairs, rate, pieces, sent, rack_column, options)
    if "colocation" not in options.exclude:
        add_meetings(model, o, problem.configurations.job[o.row], pieces, rate)
    return Traffic(rate, option, value, sent, link, fill, error, notes)


def _rates(
    model: LinearModel, problem: Problem, o: Options, x: IntArray, options: ModelOptions
) -> tuple[IntArray, IntArray, IntArray, Callable[[FloatArray], None], float, tuple[str, ...]]:
    """Add B, y, C11 and C12."""
    rated = np.flatnonzero(o.rated)
    rate = np.full(len(o.row), -1)
    b = model.add_variables("B", len(rated), upper=o.fast[rated], label=lambda k: str(rated[k]))
    rate[rated] = b
    # where there is a choice, the pieces of the value keep its ends
    given = np.flatnonzero(o.rated & (o.slow == o.fast))
    every = np.arange(len(given))
    entries = (
        np.concatenate([every, every]),
        np.concatenate([rate[given], x[given]]),
        np.concatenate([np.ones(len(given)), -o.fast[given]]),
    )
    model.add_rows("C11", entries, lower=0.0, upper=0.0, size=len(given))
    option = np.flatnonzero(o.rated & (o.slow < o.fast))
    rows, back = np.unique(o.row[option], return_inverse=True)
    if len(option) == 0:
        return rate, option, np.empty(0, dtype=np.int64), lambda values: None, 0.0, ()
    breakpoints, error = rate_breakpoints(problem, rows, problem.error)
    of_option = [breakpoints[k] for k in back.tolist()]
    of = np.repeat(np.arange(len(option)), [len(at) for at, _ in of_option])
    pieces = Pieces.curves(of, *(np.concatenate(part) for part in zip(*of_option, strict=True)))
    least = problem.objective.aggregate == "min"
    low = min(0.0, float(pieces.value.min()))
    y = model.add_variables("y", len(option), lower=low, cost=0.0 if least else 1.0, label=lambda k: str(option[k]))
    encoded = encode(
        model,
        "C12",
        pieces,
        argument=rate[option],
        value=y,
        switch=x[option],
        sense="at-most",
        method=options.encoding,
        label=lambda k: str(option[k]),
    )
    return rate, option, y, encoded.fill, error, tuple(f"values at rates: {note}" for note in encoded.notes)


def _sent(
    model: LinearModel, o: Options, columns: Columns, pairs: Pairs, rate: IntArray, options: ModelOptions
) -> Sent:
    """Add tau, C13 to C16, and C23; return what pairs send. Where a rate is given, ``tau_pk = sends_p z_pk``."""
    free = np.zeros(len(o.kinds), dtype=bool)
    free[o.kind[o.slow[o.option] < o.fast[o.option]]] = True
    given = np.where(free, 0.0, [kind.sends for kind in o.kinds])
    mine = (rate[o.option] >= 0) & (given[o.kind] == 0)
    option, kind, count, share = o.option[mine], o.kind[mine], o.count[mine], o.share[mine]
    most = np.zeros(len(o.kinds))
    np.maximum.at(most, kind, share * o.fast[option])
    kinds = np.flatnonzero(most > 0)
    number = positions(kinds, len(o.kinds))
    pair = np.flatnonzero(number[pairs.kind] >= 0)
    of = number[pairs.kind[pair]]
    tau = model.add_variables("tau", len(pair), label=lambda k: str(pair[k]))
    entries = (
        np.concatenate([of, number[kind]]),
        np.concatenate([tau, rate[option]]),
        np.concatenate([np.ones(len(pair)), -count * share]),
    )
    model.add_rows("C13", entries, lower=0.0, upper=0.0, size=len(kinds))
    every = np.arange(len(pair))
    entries = (
        np.concatenate([every, every]),
        np.concatenate([tau, columns.z[pair]]),
        np.concatenate([np.ones(len(pair)), -most[pairs.kind[pair]]]),
    )
    model.add_rows("C14", entries, upper=0.0, size=len(pair))
    # the options of each kind, for each of its pairs
    first, order = by_group(number[kind], len(kinds))
    repeat = np.diff(first)[of]
    entry = order[stretches(first[of], repeat)]
    row = np.repeat(every, repeat)
    entries = (
        np.concatenate([every, row]),
        np.concatenate([tau, rate[option[entry]]]),
        np.concatenate([np.ones(len(pair)), -share[entry] * pairs.most[pair][row]]),
    )
    model.add_rows("C15", entries, upper=0.0, size=len(pair))
    known = np.flatnonzero(given[pairs.kind] > 0)
    sent = Sent(
        np.concatenate([pair, known]),
        np.concatenate([tau, columns.z[known]]),
        np.concatenate([np.ones(len(pair)), given[pairs.kind[known]]]),
    )
    _networks(model, o, columns, pairs, sent, filled="full-servers" not in options.exclude)
    return sent


def _networks(model: LinearModel, o: Options, columns: Columns, pairs: Pairs, sent: Sent, *, filled: bool) -> None:
    """Add C16, and where ``filled`` C23: where a piece takes all GPUs of a server, no other worker sends."""
    network = np.array([c.network_gbps for c in o.classes])
    limit = o.sizes * network
    place = pairs.place[sent.pair]

    def add(name: str, entries: tuple[IntArray, IntArray, FloatArray], binds: Bools) -> None:
        at = np.flatnonzero(binds & np.isfinite(network))
        number = positions(at, len(o.classes))
        some = number[entries[0]] >= 0
        rows = number[entries[0][some]], entries[1][some], entries[2][some]
        model.add_rows(name, rows, upper=limit[at], size=len(at), label=lambda k: str(o.classes[at[k]]))

    add("C16", (place, sent.column, sent.amount), np.ones(len(network), dtype=bool))
    gpus = np.array([kind.gpus for kind in o.kinds], dtype=np.int64)[pairs.kind]
    fills = np.flatnonzero((gpus > 0) & (gpus == np.array([c.gpus for c in o.classes])[pairs.place]))
    others = (gpus[sent.pair] > 0) & ~np.isin(sent.pair, fills)
    if filled and len(fills):
        entries = (
            np.concatenate([pairs.place[fills], place[others]]),
            np.concatenate([columns.z[fills], sent.column[others]]),
            np.concatenate([network[pairs.place[fills]], sent.amount[others]]),
        )
        add("C23", entries, np.bincount(pairs.place[fills], minlength=len(network)) > 0)


def _links(
    model: LinearModel,
    problem: Problem,
    o: Options,
    columns: Columns,
    pairs: Pairs,
    rate: IntArray,
    pieces: IntArray,
    sent: Sent,
    rack_column: dict[tuple[int, str], int],
    options: ModelOptions,
) -> Links:
    """Add u, l and C17 to C21, job by job and link by link."""
    add = Gathered(model)
    job = problem.configurations.job[o.row]
    job_of_kind = np.array([kind.job for kind in o.kinds], dtype=np.int64)
    workers = np.array([kind.gpus > 0 for kind in o.kinds], dtype=bool)
    starred = np.array([kind.starred for kind in o.kinds], dtype=bool)
    domains = [Parted.of(domain, o.domains, o.crossings, o.sizes) for domain in o.domains]
    parts, surely = np.zeros((2, len(domains), len(o.crossings)), dtype=bool)
    for h, domain in enumerate(domains):
        parts[h, domain.links], surely[h, domain.links] = True, domain.surely
    split = "two-links" not in options.exclude and "domains" not in options.exclude
    found: Links = {}
    on_link: list[list[int]] = [[] for _ in o.crossings]
    for j in np.unique(job[o.rated]).tolist():
        mine = np.flatnonzero((job == j) & o.rated)
        own_pairs = np.flatnonzero(job_of_kind[pairs.kind] == j)
        own_sent = np.flatnonzero(job_of_kind[pairs.kind[sent.pair]] == j)
        fast = float(o.fast[mine].max())
        for number, e in enumerate(o.crossings):
            rings = mine[o.ring[mine] & parts[o.domain[mine], number]]
            stars = mine[~o.ring[mine] & parts[o.domain[mine], number]]
            if len(rings) + len(stars) == 0:
                continue
            carried = add.column("l", f"{j},{e.link}")
            on_link[number].append(carried)
            sides: list[int] = []
            if len(rings) and (not split or (o.fixed[rings] | ~surely[o.domain[rings], number]).any()):
                ring_pairs = own_pairs[workers[pairs.kind[own_pairs]] & ~starred[pairs.kind[own_pairs]]]
                # where options are not split by domain, a ring may stand on either side alone
                for side in (e.below, ~e.below) if "domains" in options.exclude else (e.below,):
                    sides.append(add.column("u", f"{j},{e.link},{len(sides)}", upper=1.0, integer=True))
                    here = ring_pairs[side[pairs.place[ring_pairs]]]
                    for place in np.unique(pairs.place[here]).tolist():
                        at = here[pairs.place[here] == place]
                        together = min(float(len(o.classes[place])), pieces[rings].max())
                        add.row("C17", [*columns.z[at], sides[-1]], [*np.ones(len(at)), -together])
                off = fast * len(sides)
                entries = [-1.0, *np.ones(len(rings)), *(fast for _ in sides)]
                add.row("C18", [carried, *rate[rings], *sides], entries, upper=off)
            if len(stars):
                kind = pairs.kind[sent.pair[own_sent]]
                star_sent = own_sent[workers[kind] & starred[kind]]
                below = e.below[pairs.place[sent.pair[star_sent]]]
                own = np.isin(o.option, stars) & workers[o.kind]
                totals = np.bincount(o.option[own], (o.count * o.share)[own] * o.fast[o.option[own]], len(o.row))
                most = float(totals.max())
                racks = {o.rack(k) for k in np.flatnonzero(e.below).tolist()}
                g = [column for (owner, rack), column in rack_column.items() if owner == j and rack in racks]
                for here, sign, upper in ((star_sent[below], -1.0, 0.0), (star_sent[~below], 1.0, most)):
                    entries = [-1.0, *sent.amount[here], *(sign * most for _ in g)]
                    add.row("C19", [carried, *sent.column[here], *g], entries, upper=upper)
            found[j, number] = tuple(sides), carried
        if split:
            # one that is held may stand in one part of its domain
            carries = {e: found[j, e][1] for e in range(len(o.crossings)) if (j, e) in found}
            _ends(add, o, mine[o.ring[mine] & ~o.fixed[mine]], rate, pieces, domains, carries)
    for number, e in enumerate(o.crossings):
        if on_link[number]:
            add.row("C20", on_link[number], np.ones(len(on_link[number])).tolist(), upper=e.capacity)
    added = add.flush()
    return {key: (tuple(added[u] for u in sides), added[carried]) for key, (sides, carried) in found.items()}


def _ends(
    add: Gathered,
    o: Options,
    rings: IntArray,
    rate: IntArray,
    pieces: IntArray,
    domains: Sequence[Parted],
    carried: dict[int, int],
) -> None:
    """Add C21 for the domains of a job's rings."""
    for domain in np.unique(o.domain[rings]).tolist():
        mine, links, surely = rings[o.domain[rings] == domain], domains[domain].links, domains[domain].surely
        for e in links[surely].tolist():
            add.row("C21", [*rate[mine], carried[e]], [*np.ones(len(mine)), -1.0])
        if not surely.all():
            times = domains[domain].least(pieces[mine])
            add.row("C21", [*rate[mine], *(carried[e] for e in links.tolist())], [*times, *(-1.0 for _ in links)])
