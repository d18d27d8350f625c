"""From who shall hold what, and who holds what, to actions with their costs and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance import Holding
from optsched.instance.labels import labelled
from optsched.instance.solution import Allocation
from optsched.scheduler.decide import Answer
from optsched.scheduler.pose import Question
from optsched.scheduler.records import KINDS, Action, Kind, LiveJob, Plan
from optsched.scheduler.state import Flight, Remembered, State, holding_of

__all__ = ["plan_of"]


def _same(holds: Holding, a: Allocation) -> bool:
    """Tell whether an allocation is what a job holds, as far as that is known."""
    counts = (holds.gpu_type, holds.gpus, holds.site, holds.servers) == (a.gpu_type, a.gpus, a.site, a.servers)
    nodes = holds.nodes in (None, a.nodes)
    batch = holds.local_batch is None or a.local_batch is None or bool(np.isclose(holds.local_batch, a.local_batch))
    places = all(
        x is None or y is None or x == y
        for x, y in ((holds.placement, a.placement), (holds.server_placement, a.server_placement))
    )
    return counts and nodes and batch and places


def plan_of(state: State, question: Question, answer: Answer, live: list[LiveJob], decides: str) -> tuple[Plan, State]:
    """Return the plan, and the state in which its actions are under way."""
    jobs = {job.id: job for job in live}
    allocations = labelled(jobs, answer.allocations)
    kinds = _actions_of(live, state.jobs, state.flights, question, answer, allocations)
    flights = dict(state.flights)
    remembered = dict(state.jobs)
    for kind in KINDS:
        for action in kinds.get(kind, ()):
            name, a = action.job, action.allocation
            job = jobs[name]
            if a is not None and a.label != remembered[name].label:
                remembered[name] = msgspec.structs.replace(remembered[name], label=a.label)
            if kind in ("keep", "wait"):
                continue
            exact = bool(job.configurations) or decides != "counts"
            after = None if a is None else holding_of(a, exact=exact)
            flights[name] = Flight(kind=kind, before=job.holds, after=after)
    state = msgspec.structs.replace(
        state,
        version=state.version + 1,
        jobs=remembered,
        flights=flights,
        prices=dict(answer.prices or state.prices),
    )
    by_kind = {kind: tuple(kinds.get(kind, ())) for kind in KINDS}
    plan = Plan(
        version=state.version,
        now_s=state.now_s,
        start=by_kind["start"],
        stop=by_kind["stop"],
        move=by_kind["move"],
        resize=by_kind["resize"],
        keep=by_kind["keep"],
        wait=by_kind["wait"],
        instance=question.instance,
        allocations=allocations,
        value=answer.value,
        bound=answer.bound,
        gap=answer.gap,
        status=answer.status,
        prices=dict(answer.prices or {}),
        warnings=question.warnings,
        notes=answer.notes,
        solve_s=answer.solve_s,
    )
    return plan, state


def _actions_of(
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
    if _same(holds, a):
        return "keep"
    return "resize" if (holds.site, holds.gpu_type, holds.servers) == (a.site, a.gpu_type, a.servers) else "move"


class _Reasons:
    """Says why a job gets what it gets, in terms of values and of the prices of GPUs."""

    def __init__(self, question: Question, answer: Answer) -> None:
        self._question, self._own, self._all = question, answer.reasons or {}, answer.reason
        self._numbers: dict[str, int] = {}
        problem, rows = answer.problem, answer.rows
        if problem is None or rows is None or not answer.prices or question.instance is None:
            return
        table = problem.configurations
        self._numbers = {job.id: j for j, job in enumerate(question.instance.jobs)}
        cost = table.costs(np.array([answer.prices.get(name, 0.0) for name in table.resource_names]))
        best = _best(problem.value - cost, table.first)
        kept = np.full(table.jobs, -1, dtype=np.int64)
        kept[table.job[table.kept][::-1]] = np.flatnonzero(table.kept)[::-1]
        # of each job: its row, what it holds, and what would be best for it at the prices; -1 for none
        self._rows = [column.tolist() for column in (rows, kept, best)]
        self._value, self._cost, self._columns, self._pools = problem.value, cost, table.columns, table.pools

    def of(self, job: LiveJob, kind: Kind, a: Allocation | None) -> str:
        """Return why."""
        if job.id in self._question.idle:
            return self._question.idle[job.id]
        if kind == "keep":
            return "it is pinned" if job.id in self._question.fixed else _PLAIN["keep"]
        if own := self._own.get(job.id, ""):
            return own
        if job.id not in self._numbers:
            return self._all or _PLAIN[kind]
        row, kept, best = (column[self._numbers[job.id]] for column in self._rows)
        if kind in ("wait", "stop"):
            wanted = best if kind == "wait" or kept < 0 else kept
            if wanted < 0:
                return _PLAIN[kind]
            way = f"{self._columns.gpus[wanted]} {self._pools[self._columns.pool[wanted]].gpu_type}"
            worth, cost = self._value[wanted], self._cost[wanted]
            return f"{way} would add {worth:.4g} for it, and {cost:.4g} for others, by the prices of GPUs"
        worth, cost = self._value[row], self._cost[row]
        before = "" if kept < 0 else f" in place of {self._value[kept]:.4g}, restart included,"
        return f"value {worth:.4g}{before} at GPUs worth {cost:.4g} to others"


def _best(gain: FloatArray, first: IntArray) -> IntArray:
    """Return the row of most gain of each job, -1 for a job without rows; shape ``(jobs,)``."""
    best = np.full(len(first) - 1, -1, dtype=np.int64)
    some = np.flatnonzero(np.diff(first) > 0)
    if len(some):
        most = np.maximum.reduceat(gain, first[some])
        top = gain == np.repeat(most, np.diff(first)[some])
        owner = np.repeat(some, np.diff(first)[some])
        best[owner[top][::-1]] = np.flatnonzero(top)[::-1]
    return best


_PLAIN: dict[Kind, str] = {
    "start": "it runs in the best plan that was found",
    "stop": "its GPUs are worth more to others",
    "move": "it runs elsewhere in the best plan that was found",
    "resize": "it has another number of GPUs in the best plan that was found",
    "keep": "nothing gains more than what it holds",
    "wait": "its GPUs are worth more to others",
}
