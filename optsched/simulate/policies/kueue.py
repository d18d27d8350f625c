"""Kueue-like: queues with quotas in cohorts, borrowing, and preemption by priority."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from optsched._util.arrays import FloatArray, IntArray
from optsched.simulate.policies.order import kept, place
from optsched.simulate.state import State

__all__ = ["kueue"]


@dataclass
class _Book:
    """What the policy keeps: of each queue its cohort, quota and most GPUs, and a heap of the jobs that wait."""

    cohort: list[int]
    quota: list[float]
    most: list[float]
    lent: list[float]
    waiting: list[list[tuple[int, int]]]
    known: int = 0
    inside: set[int] = field(default_factory=set)


def kueue(state: State) -> IntArray:
    """Quotas with borrowing in cohorts, the highest priority first in each queue, preemption to get a quota back.

    After Kueue's documentation ("Cluster Queue"): in a cycle each queue offers its head; heads that need no borrowing
    go first, then by priority, then by arrival. One fits if its queue stays within quota plus borrowing limit, and its
    cohort within the sum of its quotas. Otherwise it may preempt jobs of lower priority in its own queue
    (withinClusterQueue: LowerPriority) and, within its quota, those of queues of the cohort that borrow
    (reclaimWithinCohort: Any). A head that does not block jobs of other queues, and in its own
    queue those behind it are tried (BestEffortFIFO) up to 16 a cycle. With rounds there is one cycle a round, else as
    many as admit something.
    """
    book = state.memory.get("book") or _opened(state)
    tables = state.tables
    chosen = kept(state)
    left = np.maximum(0, state.free).astype(np.int64)
    used: FloatArray = np.bincount(
        tables.queue[state.job], weights=np.where(chosen >= 0, tables.row_gpus[chosen], 0), minlength=len(book.quota)
    ).astype(np.float64)
    total: FloatArray = np.bincount(book.cohort, weights=used, minlength=len(book.lent)).astype(np.float64)
    _enqueue(state, book, chosen)
    while True:
        heads = []
        for q, heap in enumerate(book.waiting):
            heads += [(q, *entry) for entry in (heapq.nsmallest(16, heap) if len(heap) < 32 else heap[:1])]
        admitted = False
        served: set[int] = set()
        sizes = {h[2]: int(tables.fixed_size[tables.table[h[2]]]) for h in heads}
        heads.sort(key=lambda h: (used[h[0]] + sizes[h[2]] > book.quota[h[0]], h[1], tables.arrival[h[2]], h[2]))
        for q, rank, job in heads:
            if q in served:
                continue
            position = int(np.searchsorted(state.job, job))
            gpus, cohort = sizes[job], book.cohort[q]
            if used[q] + gpus > book.most[q] or total[cohort] + gpus > book.lent[cohort] or left.max() < gpus:
                victims = _victims(state, book, chosen, used, total, q, -rank, gpus, left)
                if not victims:
                    continue
                for victim in victims:
                    row = int(chosen[victim])
                    home = int(tables.queue[state.job[victim]])
                    used[home] -= tables.row_gpus[row]
                    total[book.cohort[home]] -= tables.row_gpus[row]
                    left[tables.row_type[row]] += tables.row_gpus[row]
                    chosen[victim] = -1
                    _push(state, book, int(state.job[victim]))
            row = place(state, position, left)
            if row < 0:
                continue
            chosen[position] = row
            left[tables.row_type[row]] -= gpus
            used[q] += gpus
            total[cohort] += gpus
            book.waiting[q].remove((rank, job))
            heapq.heapify(book.waiting[q])
            book.inside.discard(job)
            served.add(q)
            admitted = True
        if not admitted or state.round_s > 0:
            return chosen


def _opened(state: State) -> _Book:
    """Return the book of a workload's queues; without any, one queue with all GPUs."""
    queues = state.tables.workload.queues
    whole = float(state.tables.capacity.sum())
    names: dict[str, int] = {}
    if queues:
        cohort = [names.setdefault(q.cohort or f"\0{q.id}", len(names)) for q in queues]
        quota = [whole if q.quota is None else float(q.quota) for q in queues]
        lent = np.bincount(cohort, weights=quota).tolist()
        most = [
            quota[k] + (lent[cohort[k]] if q.borrowing is None else float(q.borrowing)) for k, q in enumerate(queues)
        ]
    else:
        cohort, quota = [0] * len(state.tables.queues), [whole] * len(state.tables.queues)
        lent, most = [whole], quota
    book = _Book(cohort, quota, most, lent, [[] for _ in quota])
    state.memory["book"] = book
    return book


def _push(state: State, book: _Book, job: int) -> None:
    tables = state.tables
    heapq.heappush(book.waiting[int(tables.queue[job])], (-int(tables.priority[job]), job))
    book.inside.add(job)


def _enqueue(state: State, book: _Book, chosen: IntArray) -> None:
    """Put jobs that came, and those that a failure stopped, into their queues."""
    for job in state.job[np.searchsorted(state.job, book.known) :].tolist():
        _push(state, book, job)
        book.known = job + 1
    if np.count_nonzero(chosen < 0) != len(book.inside):
        for job in state.job[chosen < 0].tolist():
            if job not in book.inside:
                _push(state, book, job)


def _victims(
    state: State,
    book: _Book,
    chosen: IntArray,
    used: FloatArray,
    total: FloatArray,
    q: int,
    priority: int,
    gpus: int,
    left: IntArray,
) -> list[int]:
    """Return the fewest jobs (lowest priority, then latest start) whose stop makes room; empty if none does."""
    tables = state.tables
    cohort = book.cohort[q]
    reclaims = used[q] + gpus <= book.quota[q]
    runs = np.flatnonzero(chosen >= 0)
    home = tables.queue[state.job[runs]]
    mine = (home == q) & (tables.priority[state.job[runs]] < priority)
    other = np.zeros(len(runs), dtype=bool)
    if reclaims:
        borrows = np.array([k != q and book.cohort[k] == cohort and used[k] > book.quota[k] for k in range(len(used))])
        other = borrows[home]
    candidates = runs[mine | other]
    if not len(candidates):
        return []
    home = tables.queue[state.job[candidates]]
    order = np.lexsort((-state.running_since[candidates], tables.priority[state.job[candidates]], home == q))
    use, free, room, found = dict(enumerate(used.tolist())), float(total[cohort]), int(left.max()), []
    for victim, queue in zip(candidates[order].tolist(), home[order].tolist(), strict=True):
        if queue != q and use[queue] <= book.quota[queue]:
            continue
        size = int(tables.row_gpus[chosen[victim]])
        use[queue] -= size
        free -= size
        room += size
        found.append(victim)
        if use[q] + gpus <= book.most[q] and free + gpus <= book.lent[cohort] and room >= gpus:
            return found
    return []
