"""The article of advice (``optsched advise``): what to take and why, and every configuration that none beats."""

from __future__ import annotations

from typing import Any

from optsched._util.plotting import KINDS, OUTSIDE, altair
from optsched._util.wording import clock
from optsched.report.article import Article, Cell, Part, Picture, Section, TableOf, number

__all__ = ["of_advice"]


def of_advice(record: dict[str, Any], title: str = "") -> Article:
    """Return the article of what ``optsched advise --json`` writes."""
    best, front = record["recommended"], record["front"]
    money = any(option.get("cost") is not None for option in front)
    parts: list[Part] = [_picture(best, front, money)] if front else []
    rows: list[list[Cell]] = [[_where(option), *_cells(option)] for option in front]
    columns = ["configuration", "time", "80 % from", "to", "cost", "GPU hours", "risk"]
    kept = [0, 1, 2, 3, *([4] if money else []), 5, *([6] if any(o.get("risk") is not None for o in front) else [])]
    table = TableOf(
        "Configurations that none beats", [columns[k] for k in kept], [[row[k] for k in kept] for row in rows]
    )
    sections = [Section("Time, cost and risk", [*parts, table])]
    limits = [str(one["text"]) for one in record.get("limits", ())]
    levers: list[list[Cell]] = [[one["text"], one["factor"]] for one in record.get("levers", ())]
    if limits or levers:
        what: list[Part] = ["Limited by: " + "; ".join(limits) + "."] if limits else []
        if levers:
            what.append(TableOf("What would help", ["change", "times as fast"], levers))
        sections.append(Section("What limits it, and what would help", what))
    if record.get("measure"):
        asked: list[list[Cell]] = [
            [m["gpu_type"], m["nodes"], m["gpus"], m["local_batch"], m["spread_after"]] for m in record["measure"]
        ]
        head = ["GPU type", "servers", "GPUs", "examples/GPU", "typical error after (log)"]
        sections.append(Section("What to measure to be surer", [TableOf("Measurements", head, asked)]))
    notes = [*record.get("left_out", ()), *record.get("notes", ())]
    if notes:
        sections.append(Section("Notes", [str(note) for note in notes]))
    facts = [
        ("Model", str(record.get("model", ""))),
        ("Work", str(record.get("work", ""))),
        ("Take", _where(best)),
        ("Time", clock(best["time_s"])),
        ("80 % interval", f"{clock(best['time_low_s'])} to {clock(best['time_high_s'])}"),
        ("Cost", number(best.get("cost"))),
        ("GPU hours", number(best.get("gpu_hours"))),
        ("Chance to miss", f"{100 * best['risk']:.0f} %" if best.get("risk") is not None else ""),
        ("Compared", number(record.get("candidates"))),
    ]
    status = f"Recommended: {record.get('reason') or _where(best)}"
    return Article(
        title or f"Advice for {record.get('model', '')}", status, [f for f in facts if f[1]], sections, good=True
    )


def _where(option: dict[str, Any]) -> str:
    """Return a configuration as words."""
    said = f"{option['gpus']} × {option.get('offer') or option['gpu_type']}"
    said += f" on {option['nodes']} servers" if option.get("nodes", 1) > 1 else ""
    said += f", {number(option['local_batch'])} examples per GPU" if option.get("local_batch") is not None else ""
    said += f", {option['accumulation']} passes" if option.get("accumulation", 1) > 1 else ""
    return said + (f", {option['servers']} parameter servers" if option.get("servers") else "")


def _cells(option: dict[str, Any]) -> list[Cell]:
    risk = option.get("risk")
    times = [clock(option[name]) for name in ("time_s", "time_low_s", "time_high_s")]
    return [*times, option.get("cost"), option.get("gpu_hours"), None if risk is None else f"{100 * risk:.0f} %"]


def _picture(best: dict[str, Any], front: list[dict[str, Any]], money: bool) -> Picture:
    alt = altair()
    cost = "cost" if money else "gpu_hours"
    options = [*front, *([] if best in front else [best])]
    values = [
        {
            "what": _where(o), "hours": o["time_s"] / 3600,
            "low": o["time_low_s"] / 3600, "high": o["time_high_s"] / 3600,
            "cost": o[cost], "type": o.get("offer") or o["gpu_type"], "risk": o.get("risk"), "best": o == best,
        }
        for o in options
        if o.get(cost) is not None
    ]  # fmt: skip
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("hours:Q", title="hours", scale=alt.Scale(type="log", nice=False, padding=30)),
        y=alt.Y("cost:Q", title="cost" if money else "GPU hours", scale=alt.Scale(zero=False)),
    )
    ends = base.mark_rule(opacity=0.35, color=OUTSIDE).encode(x="low:Q", x2="high:Q")
    types = list(dict.fromkeys(v["type"] for v in values))
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        color=alt.Color("type:N", title=None, scale=alt.Scale(domain=types)),
        shape=alt.Shape("type:N", title=None, scale=alt.Scale(domain=types)),
        tooltip=["what:N", "hours:Q", "low:Q", "high:Q", "cost:Q", "risk:Q"],
    )
    ring = base.transform_filter("datum.best").mark_point(size=320, color=KINDS[1], strokeWidth=3, opacity=1)
    words = base.transform_filter("datum.best").mark_text(
        text="recommended", dy=-16, fontSize=11, color=OUTSIDE, fontWeight="bold"
    )
    chart = (ends + dots + ring + words).properties(width=900, height=340)
    says = f"time and {'cost' if money else 'GPU hours'} of {len(values)} configurations; a line is the 80 % interval"
    return Picture(
        "front",
        f"Time and {'cost' if money else 'GPU hours'} of every configuration that none beats (lines: 80 % interval)",
        chart,
        says,
    )
