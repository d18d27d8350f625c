"""The plan that changes nothing, for a round that cannot be planned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from optsched.prediction.curves import Curve
from optsched.scheduler.inputs import jobs_of
from optsched.scheduler.pose import as_held
from optsched.scheduler.records import Action, Plan
from optsched.scheduler.state import State, learned_of, reported

__all__ = ["unchanged_plan"]


def unchanged_plan(
    state: State,
    curves: Mapping[str, Curve],
    now: float,
    jobs: Iterable[Any],
    done: Collection[str] | None,
    refused: Collection[str],
    pending: Collection[str],
    lost: Collection[str],
    why: str,
) -> Plan:
    """Return the plan in which every job keeps what it holds, and the others wait."""
    known = reported(state, done, refused, pending, lost)
    _, live = learned_of(known, jobs_of(jobs), max(now, state.now_s))
    keep = [Action(kind="keep", job=job.id, before=job.holds, reason=why) for job in live if job.holds is not None]
    wait = [Action(kind="wait", job=job.id, reason=why) for job in live if job.holds is None]
    return Plan(
        version=state.version,
        now_s=now,
        start=(),
        stop=(),
        move=(),
        resize=(),
        keep=tuple(keep),
        wait=tuple(wait),
        instance=None,
        allocations=as_held(live, curves),
        value=None,
        bound=None,
        gap=None,
        status="unknown",
        warnings=(f"there is no plan, and every job keeps what it holds: {why}",),
    )
