"""Who runs where: servers by their GPUs, one bar a piece of a job; pools where places are not decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from optsched._util.plotting import INK, OUTSIDE, altair, fitted_label, shade
from optsched.instance import Instance
from optsched.instance.pools import pools
from optsched.instance.solution import Allocation
from optsched.report.article import Part, Picture, Section

__all__ = ["places"]

_WIDTH = 980
"""Of a picture, in pixels, without the names to its left."""
_ROWS = 40
"""Servers of a column; more stand side by side, without their names."""
_STEP = 19


class _Piece(NamedTuple):
    job: str
    shade: str
    gpus: int
    what: str


def places(allocations: Sequence[Allocation], instance: Instance | None) -> Iterator[Section]:
    """Return the section of who runs where."""
    if not allocations:
        return
    sizes = _sizes(instance)
    placed: dict[tuple[str, str], dict[str, list[_Piece]]] = defaultdict(lambda: defaultdict(list))
    loose: dict[str, list[_Piece]] = defaultdict(list)
    for n, a in enumerate(allocations):
        what = f"{a.gpus} GPUs on {a.nodes} {'server' if a.nodes == 1 else 'servers'}"
        for server, gpus in (a.placement or {}).items():
            placed[a.site, a.gpu_type][_plain(server, sizes)].append(_Piece(a.job, shade(n), gpus, what))
        if not a.placement:
            loose[f"{a.gpu_type}@{a.site}"].append(_Piece(a.job, shade(n), a.gpus, what))
    parts: list[Part] = []
    everything = {} if instance is None else {(p.site, p.gpu_type): p for p in pools(instance)}
    for (site, gpu_type), held in placed.items():
        servers = {name: gpus for name, (pool, gpus) in sizes.items() if pool == (site, gpu_type)}
        servers = servers or {name: sum(p.gpus for p in held[name]) for name in sorted(held)}
        parts.append(_picture(f"{gpu_type}@{site}", servers, held, f"where-{len(parts)}"))
    if loose:
        known = {str(pool): pool.capacity for pool in everything.values()}
        capacities = {name: known.get(name, sum(p.gpus for p in loose[name])) for name in (known or loose)}
        parts.append(_picture("Pools (servers are not decided)", capacities, loose, "where-pools"))
    yield Section("Who runs where", parts)


def _sizes(instance: Instance | None) -> dict[str, tuple[tuple[str, str], int]]:
    """Return pool and GPUs of each server by its name."""
    if instance is None:
        return {}
    return {
        group.id if group.count == 1 else f"{group.id}/{n}": ((group.site, group.gpu_type), group.gpus)
        for group in instance.cluster.servers
        if group.gpu_type is not None
        for n in range(group.count)
    }


def _plain(server: str, sizes: dict[str, Any]) -> str:
    """Return the name by which a server is drawn: ``group/0`` may be called ``group``."""
    return server.removesuffix("/0") if server not in sizes and server.removesuffix("/0") in sizes else server


def _picture(title: str, rows: dict[str, int], held: dict[str, list[_Piece]], name: str) -> Picture:
    """Return the picture of some servers or pools: a row for each, its GPUs across."""
    alt = altair()
    columns = -(-len(rows) // _ROWS)
    most = max(rows.values(), default=1)
    wide = most + (0.12 * most + 0.6 if columns > 1 else 0)
    pixels = _WIDTH / (wide * columns)
    lanes, bars = [], []
    for n, (row, capacity) in enumerate(rows.items()):
        left = (n // _ROWS) * wide
        lanes.append({"row": n % _ROWS, "server": row, "low": left, "high": left + capacity, "GPUs": capacity})
        at = 0
        for piece in held.get(row, ()):
            bars.append(
                {
                    "row": n % _ROWS, "server": row, "job": piece.job, "shade": piece.shade, "here": piece.gpus,
                    "what": piece.what, "low": left + at, "high": left + at + piece.gpus,
                    "middle": left + at + piece.gpus / 2,
                    "label": fitted_label(piece.job, piece.gpus * pixels),
                }
            )  # fmt: skip
            at += piece.gpus
    y = alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0.18, paddingOuter=0.1))
    named = columns == 1
    if named:
        names = list(rows)
        order = alt.Scale(paddingInner=0.18, paddingOuter=0.1, domain=list(range(len(names))))
        y = alt.Y("row:O", title=None, scale=order, axis=alt.Axis(labels=False, ticks=False, domain=False))
    domain = [0, wide * columns]
    grid = alt.Axis(title="GPUs", tickMinStep=1, grid=False) if named else None
    x = alt.X("low:Q", scale=alt.Scale(domain=domain, nice=False), axis=grid)
    free = (
        alt.Chart(alt.Data(values=lanes))
        .mark_rect(fill="#8a94a0", opacity=0.22, stroke="#8a94a0")
        .encode(x=x, x2="high:Q", y=y, tooltip=["server:N", "GPUs:Q"])
    )
    used = (
        alt.Chart(alt.Data(values=bars))
        .mark_rect(stroke="#333333", strokeWidth=0.6)
        .encode(
            x=x,
            x2="high:Q",
            y=y,
            color=alt.Color("shade:N", scale=None, legend=None),
            tooltip=[
                "job:N",
                "server:N",
                alt.Tooltip("here:Q", title="GPUs here"),
                alt.Tooltip("what:N", title="in all"),
            ],
        )
    )
    words = (
        alt.Chart(alt.Data(values=[bar for bar in bars if bar["label"]]))
        .mark_text(fontSize=10, color=INK, baseline="middle")
        .encode(x=alt.X("middle:Q"), y=y, text="label:N")
    )
    layers = [free, used, words]
    if named:
        heads = alt.Chart(alt.Data(values=lanes)).mark_text(align="right", dx=-6, fontSize=11, limit=170, color=OUTSIDE)
        layers.append(heads.encode(x=alt.value(0), y=y, text="server:N"))
    chart = alt.layer(*layers).properties(width=_WIDTH, height=_STEP * min(len(rows), _ROWS))
    total, taken = sum(rows.values()), sum(piece.gpus for pieces in held.values() for piece in pieces)
    says = f"{title}: {taken} of {total} GPUs are held; a bar is a piece of a job, what is grey is idle"
    return Picture(name, f"{title}: {taken} of {total} GPUs held", chart, says)
