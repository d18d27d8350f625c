"""The articles of shares of time (``optsched share``) and of explanations (``optsched explain``)."""

from __future__ import annotations

from typing import Any

from optsched._util.plotting import KINDS, altair
from optsched._util.wording import percent_up
from optsched.report.article import Article, Cell, Part, Picture, Section, TableOf, number

__all__ = ["of_explanations", "of_shares"]

_DRAWN = 60


def of_shares(record: dict[str, Any], title: str = "") -> Article:
    """Return the article of what ``optsched share --json`` writes."""
    pools = list(record.get("prices", {}))
    rows: list[list[Cell]] = []
    values = []
    for one in record["jobs"]:
        parts = [100 * one["shares"].get(pool, 0.0) for pool in pools]
        rows.append([one["job"], one["gpus"], *(f"{part:.1f} %" for part in parts), one["throughput"]])
        values += [
            {"job": one["job"], "pool": pool, "share": part / 100} for pool, part in zip(pools, parts, strict=True)
        ]
    alt = altair()
    names = list(dict.fromkeys(v["job"] for v in values))[:_DRAWN]
    chart = (
        alt.Chart(alt.Data(values=[v for v in values if v["job"] in set(names)]))
        .mark_bar()
        .encode(
            y=alt.Y("job:N", sort=names, title=None),
            x=alt.X("share:Q", title="part of the time", axis=alt.Axis(format="%")),
            color=alt.Color(
                "pool:N", title=None, scale=alt.Scale(domain=pools, range=list(KINDS[: max(1, len(pools))]))
            ),
            tooltip=["job:N", "pool:N", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=860, height={"step": 18})
    )
    cut = f" (the first {_DRAWN} of {len(rows)})" if len(rows) > _DRAWN else ""
    said: list[Part] = [
        Picture("shares", f"Part of its time that each job runs on each pool{cut}", chart, "shares of time")
    ]
    said = said if rows else []
    said.append(TableOf("Shares", ["job", "GPUs", *pools, "examples/s"], rows))
    sections = [Section("Shares of time", said)]
    left: Any = record.get("left_out") or {}
    out = list(left.items()) if isinstance(left, dict) else list(left)
    if out:
        sections.append(
            Section(
                "Left out",
                [TableOf("Jobs without a share", ["job", "reason"], [list(map(str, o)) for o in out], left=2)],
            )
        )
    if record.get("notes"):
        sections.append(Section("Notes", [str(note) for note in record["notes"]]))
    gap = record.get("gap")
    status = f"{record['status']}: {record['policy']} {number(record.get('value'), 6)}" + (
        f", bound {number(record['bound'], 6)}" if record.get("bound") is not None else ""
    )
    facts = [("Policy", record["policy"]), ("Jobs", number(len(rows))), ("Gap", "" if gap is None else percent_up(gap))]
    good = record["status"] in ("optimal", "feasible")
    return Article(title or "Shares of time", status, [f for f in facts if f[1]], sections, good=good)


def of_explanations(found: list[dict[str, Any]], title: str = "") -> Article:
    """Return the article of what ``optsched explain --json`` writes of jobs."""
    rows: list[list[Cell]] = [
        [
            one["job"], one["status"], "; ".join(r["text"] for r in one.get("reasons", ())),
            "; ".join(r["text"] for r in one.get("relaxations", ())) or "nothing alone, of what was tried",
            one.get("progress"), one.get("entitled"),
        ]
        for one in found
    ]  # fmt: skip
    columns = ["job", "now", "why", "any of these would help", "progress", "with its own share"]
    waits = sum(one["status"] == "waits" for one in found)
    return Article(
        title or "Explanations",
        f"{waits} jobs wait; {len(found) - waits} that run are explained, too",
        (),
        [Section("Why jobs wait, or get little", [TableOf("Jobs", columns, rows, left=4)])],
    )
