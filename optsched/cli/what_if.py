"""Plans of changed instances compared with the plan as it is: what each change brings, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optsched._util.wording import sentence
from optsched.cli.terminal import console, table
from optsched.instance.result import Result

__all__ = ["differences", "print_differences"]


def differences(base: Result, changed: Mapping[str, Result]) -> list[dict[str, Any]]:
    """Return for each change its value and bound, the difference and its proven interval, and whose shares change."""
    held = {a.job: (a.gpus, a.gpu_type, a.site) for a in base.allocations}
    found = []
    for change, result in changed.items():
        then = {a.job: (a.gpus, a.gpu_type, a.site) for a in result.allocations}
        found.append(
            {
                "what_if": change,
                "status": result.status,
                "stopped": result.stopped,
                "reason": result.reason,
                "value": result.value,
                "bound": result.bound,
                "gap": result.gap,
                "difference": _difference(result.value, base.value),
                "proven_from_to": _proven(base, result),
                "starts": sorted(then.keys() - held.keys()),
                "stops": sorted(held.keys() - then.keys()),
                "changes": sorted(job for job in held.keys() & then.keys() if held[job] != then[job]),
            }
        )
    return found


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _proven(base: Result, result: Result) -> list[float | None]:
    """Return between which numbers the difference of the two optima lies: each is between value and bound."""
    ends = [_difference(result.value, base.bound), _difference(result.bound, base.value)]
    return ends if None in ends else sorted(ends)  # type: ignore[type-var]


def print_differences(base: Result, found: list[dict[str, Any]]) -> None:
    """Print the changes side by side."""
    page = table("what if", "status", base.objective.name, "bound", "difference", "proven from", "to", "jobs", left=2)
    page.add_row("(as it is)", sentence(base.status, base.gap, base.stopped), _number(base.value), _number(base.bound))
    for one in found:
        moved = [f"+{len(one['starts'])}" if one["starts"] else "", f"-{len(one['stops'])}" if one["stops"] else ""]
        moved.append(f"{len(one['changes'])} change" if one["changes"] else "")
        page.add_row(
            one["what_if"],
            sentence(one["status"], one["gap"], one["stopped"]),
            _number(one["value"]),
            _number(one["bound"]),
            "" if one["difference"] is None else f"{one['difference']:+.4g}",
            *("" if end is None else f"{end:+.4g}" for end in one["proven_from_to"]),
            ", ".join(filter(None, moved)) or "the same",
        )
    terminal = console()
    terminal.print()
    terminal.print(page)
    for one in found:
        if one["reason"]:
            terminal.print(f"{one['what_if']}: {one['reason']}")
        for word, jobs in (("starts", one["starts"]), ("stops", one["stops"])):
            if jobs:
                more = f" and {len(jobs) - 10} more" if len(jobs) > 10 else ""
                terminal.print(f"{one['what_if']}: {word} {', '.join(jobs[:10])}{more}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
