"""From who shall hold what, and who holds what, to actions with their costs and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from optsched.instance import Holding
from optsched.instance.solution import Allocation
from optsched.scheduler.decide import Answer
from optsched.scheduler.pose import Question
from optsched.scheduler.records import Action, Kind, LiveJob
from optsched.scheduler.state import Flight, Remembered

__all__ = ["actions_of", "labelled", "same"]


def same(holds: Holding, a: Allocation) -> bool:
    """Tell whether an allocation is what a job holds, as far as that is known."""
    counts = (holds.gpu_type, holds.gpus, holds.site, holds.servers) == (a.gpu_type, a.gpus, a.site, a.servers)
    nodes = holds.nodes in (None, a.nodes)
    batch = holds.local_batch is None or a.local_batch is None or bool(np.isclose(holds.local_batch, a.local_batch))
    places = all(
        x is None or y is None or x == y
        for x, y in ((holds.placement, a.placement), (holds.server_placement, a.server_placement))
    )
    return counts and nodes and batch and places


def labelled(jobs: Mapping[str, LiveJob], allocations: Sequence[Allocation]) -> tuple[Allocation, ...]:
    """Return allocations with the labels that callers gave to their configurations."""
    found = []
    for a in allocations:
        job = jobs[a.job]
        match = [
            c
            for c in job.configurations
            if c.label
            and (c.gpu_type, c.gpus, c.servers, c.accumulation) == (a.gpu_type, a.gpus, a.servers, a.accumulation)
            and c.site in (None, a.site)
            and c.nodes in (None, a.nodes)
            and c.local_batch in (None, a.local_batch)
        ]
        closest = min(match, key=lambda c: abs(c.throughput - a.throughput), default=None)
        found.append(a if closest is None else msgspec.structs.replace(a, label=closest.label))
    return tuple(found)


def actions_of(
    jobs: Sequence[LiveJob],
    remembered: Mapping[str, Remembered],
    flights: Mapping[str, Flight],
    question: Question,
    answer: Answer,
    allocations: Sequence[Allocation],
) -> dict[Kind, list[Action]]:
    """Return the action of every job, by kind."""
    given = {a.job: a for a in allocations}
    why = _Reasons(question, answer)
    found: dict[Kind, list[Action]] = {}
    for job in jobs:
        a, holds = given.get(job.id), job.holds
        kind = _kind(holds, a)
        if job.id in flights and kind == "keep":
            reason = f"its {flights[job.id].kind} is still under way"
        else:
            reason = why.of(job, kind, a)
        begins = kind in ("start", "move", "resize")
        action = Action(
            kind=kind,
            job=job.id,
            allocation=a,
            before=holds,
            restart_s=job.restart_s if begins and (holds is not None or remembered[job.id].ran) else 0.0,
            lost_s=job.lost_s if kind in ("stop", "move", "resize") else 0.0,
            reason=reason,
        )
        found.setdefault(kind, []).append(action)
    return found


def _kind(holds: Holding | None, a: Allocation | None) -> Kind:
    if holds is None:
        return "wait" if a is None else "start"
    if a is None:
        return "stop"
    if same(holds, a):
        return "keep"
    return "resize" if (holds.site, holds.gpu_type, holds.servers) == (a.site, a.gpu_type, a.servers) else "move"


class _Reasons:
    """Says why a job gets what it gets, in terms of values and of the prices of GPUs."""

    def __init__(self, question: Question, answer: Answer) -> None:
        self._question, self._answer = question, answer
        self._numbers = {}
        instance = question.instance
        if instance is not None:
            self._numbers = {job.id: j for j, job in enumerate(instance.jobs)}
        problem = answer.problem
        if problem is not None and answer.prices:
            names = problem.configurations.resource_names
            self._costs = problem.configurations.costs(np.array([answer.prices.get(name, 0.0) for name in names]))

    def of(self, job: LiveJob, kind: Kind, a: Allocation | None) -> str:
        """Return why."""
        if job.id in self._question.idle:
            return self._question.idle[job.id]
        if job.id in self._question.fixed and kind == "keep":
            return "it is pinned"
        if own := (self._answer.reasons or {}).get(job.id, ""):
            return own
        problem, rows = self._answer.problem, self._answer.rows
        if problem is None or rows is None or not self._answer.prices or job.id not in self._numbers:
            return self._answer.reason or _PLAIN[kind]
        number = self._numbers[job.id]
        table = problem.configurations
        own_rows = slice(int(table.first[number]), int(table.first[number + 1]))
        value, cost = problem.value[own_rows], self._costs[own_rows]
        kept = np.flatnonzero(table.kept[own_rows])
        now = f"value {problem.value[rows[number]]:.4g}" if rows[number] >= 0 else "no value"
        if kind in ("wait", "stop") and len(value):
            best = int(np.argmax(value - cost)) if kind == "wait" or not len(kept) else int(kept[0])
            way = f"{table.columns.gpus[own_rows][best]} {table.pools[table.columns.pool[own_rows][best]].gpu_type}"
            return f"{way} would add {value[best]:.4g} for it, and {cost[best]:.4g} for others, by the prices of GPUs"
        if kind in ("move", "resize") and len(kept):
            return f"{now} in place of {value[kept[0]]:.4g}, restart included, at GPUs worth {self._cost(number):.4g}"
        if kind == "keep":
            best = int(np.argmax(value - cost))
            gain = float(value[best] - cost[best] - value[kept[0]] + cost[kept[0]]) if len(kept) else 0.0
            return (
                _PLAIN["keep"] if gain <= 1e-6 * abs(float(value[best])) else f"{now}; no change fits that gains more"
            )
        return f"{now}, at GPUs worth {self._cost(number):.4g} to others"

    def _cost(self, number: int) -> float:
        rows = self._answer.rows
        assert rows is not None
        return float(self._costs[rows[number]])


_PLAIN: dict[Kind, str] = {
    "start": "it runs in the best plan that was found",
    "stop": "its GPUs are worth more to others",
    "move": "it runs elsewhere in the best plan that was found",
    "resize": "it has another number of GPUs in the best plan that was found",
    "keep": "nothing gains more than what it holds",
    "wait": "its GPUs are worth more to others",
}
