"""How full the pools and the links are, and what one more of each would be worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from optsched._util.plotting import KINDS, OUTSIDE, altair
from optsched.checker.placement import found_places
from optsched.checker.recompute import Truth
from optsched.checker.traffic import sent_by
from optsched.instance import Instance
from optsched.instance.pools import pools
from optsched.instance.result import Result
from optsched.report.article import Cell, Part, Picture, Section, TableOf

__all__ = ["prices", "use"]

_BARS = 760
"""Width of bars (pixels)."""
_MOST = 30
"""Links and servers' networks that are drawn, the fullest first."""


def use(result: Result, instance: Instance) -> Iterator[Section]:
    """Return the section of utilization: pools, and where rates are decided links and the networks of servers."""
    if not result.allocations:
        return
    held: dict[str, int] = defaultdict(int)
    for a in result.allocations:
        held[f"{a.gpu_type}@{a.site}"] += a.gpus
    rows = [(str(pool), float(held[str(pool)]), float(pool.capacity)) for pool in pools(instance)]
    parts: list[Part] = [_picture("use-gpus", "GPUs in use", rows, "GPUs"), _table("Pools", "pool", rows, "GPUs")]
    if any(a.gbps for a in result.allocations):
        truth = Truth(instance)
        of = {a.job: a for a in result.allocations if a.job in truth.jobs}
        sent = sent_by(truth, of, {name: found_places(truth, a) for name, a in of.items()})
        links = [(link, amount, most) for link, (amount, most) in sent.across.items()]
        servers = [
            (group if truth.groups[group].count == 1 else f"{group}/{n}", amount, rate)
            for (group, n), amount in sent.through.items()
            if (rate := truth.groups[group].network_gbps)
        ]
        for name, noun, found in (("use-links", "link", links), ("use-networks", "server", servers)):
            found.sort(key=lambda one: -one[1] / one[2])
            if found:
                what = "Links" if noun == "link" else "Networks of servers"
                more = f" (the fullest {_MOST} of {len(found)})" if len(found) > _MOST else ""
                parts += [
                    _picture(name, f"{what} in use{more}", found[:_MOST], "Gb/s"),
                    _table(what, noun, found, "Gb/s"),
                ]
    yield Section("Utilization", parts)


def _picture(name: str, title: str, rows: list[tuple[str, float, float]], unit: str) -> Picture:
    """Return bars of what is used of each, as a part of what there is."""
    alt = altair()
    values = [
        {"what": what, "used": used / most if most else 0.0, "label": f"{used:.4g} of {most:.4g} {unit}", "all": 1.0}
        for what, used, most in rows
    ]
    base = alt.Chart(alt.Data(values=values)).encode(y=alt.Y("what:N", sort=None, title=None))
    axis = alt.X("used:Q", title="part in use", axis=alt.Axis(format="%", grid=False), scale=alt.Scale(domain=[0, 1]))
    ground = base.mark_bar(color="#8a94a0", opacity=0.22).encode(x=alt.X("all:Q", scale=alt.Scale(domain=[0, 1])))
    bars = base.mark_bar(color=KINDS[5], clip=True).encode(x=axis, tooltip=["what:N", "label:N"])
    words = base.mark_text(align="left", dx=8, color=OUTSIDE, fontSize=11).encode(x=alt.value(_BARS), text="label:N")
    chart = (ground + bars + words).properties(width=_BARS, height={"step": 24})
    return Picture(
        name, title, chart, "; ".join(f"{what}: {used:.4g} of {most:.4g} {unit}" for what, used, most in rows)
    )


def _table(title: str, noun: str, rows: list[tuple[str, float, float]], unit: str) -> TableOf:
    cells: list[list[Cell]] = [[what, most, used, max(0.0, most - used)] for what, used, most in rows]
    return TableOf(title, [noun, unit, "in use", "free"], cells, folded=True)


def prices(result: Result) -> Iterator[Section]:
    """Return the section of shadow prices, where any are known and positive."""
    found = sorted(((price, name) for name, price in result.prices.items() if price > 0), reverse=True)
    if not found:
        return
    alt = altair()
    values = [{"resource": name, "price": price, "label": f"{price:.4g}"} for price, name in found[:_MOST]]
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("resource:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
        x=alt.X("price:Q", title=f"{result.objective.name} for one more unit"),
    )
    words = base.mark_text(align="left", dx=4, fontSize=11, color=OUTSIDE).encode(text="label:N")
    chart = (base.mark_bar(color=KINDS[0]).encode(tooltip=["resource:N", "price:Q"]) + words).properties(
        width=760, height={"step": 24}
    )
    says = "; ".join(f"{name}: {price:.4g}" for price, name in found[:_MOST])
    yield Section(
        "Shadow prices",
        [
            "What one more unit of each resource adds to the objective at the margin of the linear relaxation (LP "
            "dual); whole GPUs may be worth more or less.",
            Picture("prices", "Shadow prices (LP dual)", chart, says),
            TableOf("Shadow prices", ["resource", "price"], [[name, price] for price, name in found], folded=True),
        ],
    )
