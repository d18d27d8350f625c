"""The last plan as a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["page"]

STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse}"
    "td,th{text-align:left;padding:.25em .8em;border-bottom:1px solid #ddd}"
)
KINDS = ("start", "stop", "move", "resize", "keep", "wait")


def page(plan: Mapping[str, Any] | None) -> str:
    """Return the page; text of the plan is never markup."""
    if plan is None:
        body = "<p>There is no plan yet.</p>"
    else:
        told = ("version", "now_s", "status", "value", "bound")
        facts = ", ".join(f"{name} {plan.get(name)}" for name in told)
        notes = "".join(f"<li>{escape(str(warning))}</li>" for warning in plan.get("warnings", ()))
        rows = "".join(_row(kind, action) for kind in KINDS for action in plan.get(kind, ()))
        head = "".join(f"<th>{name}</th>" for name in ("job", "action", "GPUs", "type", "where", "why"))
        body = f"<p>{escape(facts)}</p><ul>{notes}</ul><table><tr>{head}</tr>{rows}</table>"
    title = "<title>optsched</title>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{title}<style>{STYLE}</style><h1>Plan</h1>{body}</html>'
    )


def _row(kind: str, action: Mapping[str, Any]) -> str:
    held = action.get("allocation") or (action.get("before") if kind == "keep" else None) or {}
    where = ", ".join(f"{name}: {gpus}" for name, gpus in (held.get("placement") or {}).items()) or held.get("site", "")
    cells = (action["job"], kind, held.get("gpus", ""), held.get("gpu_type", ""), where, action.get("reason", ""))
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
