"""One plan that is explained: why each of its jobs got what it got, and what would change that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec.structs import replace

from optsched.explain.bisection import Guesser, Smallest, smallest
from optsched.explain.comparison import Comparison
from optsched.explain.constraints import constraints_of, own_constraints
from optsched.explain.goodput_floors import floored
from optsched.explain.losses import loss, nothing, surely_runs, worse
from optsched.explain.oracle import Asker, Verdict, verdict
from optsched.explain.plans import confirmed, goodputs
from optsched.explain.records import Explanation, Meaning, Reason, Relaxation
from optsched.explain.relaxations import own_levers, shared_levers
from optsched.explain.rules import Constraint, Lever
from optsched.instance import Instance, Job
from optsched.instance.result import Result
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from optsched.problem.problem import Problem

__all__ = ["Case"]

_MANY = 300
"""Jobs beyond which no finer gap is asked for: then jobs are compared one by one."""
_FINEST = 1e-8
"""Least relative gap that is asked for."""


@dataclass(frozen=True)
class Case:
    """A plan whose jobs are explained."""

    instance: Instance
    allocations: tuple[Allocation, ...]
    problem: Problem
    asker: Asker
    meaning: Meaning
    more: float
    levers: Sequence[str] | None

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs by their ids."""
        return {job.id: job for job in self.instance.jobs}

    @cached_property
    def shared(self) -> list[Lever]:
        """Levers that are not a job's own."""
        return list(shared_levers(self.instance))

    @cached_property
    def progress(self) -> dict[str, float]:
        """Progress of all that run now."""
        return {a.job: a.progress for a in self.allocations}

    @cached_property
    def goodput(self) -> dict[str, float]:
        """Goodput of all that run now, net of restarts."""
        return goodputs(self.instance, self.allocations)

    @cached_property
    def value(self) -> float:
        """The objective of the plan."""
        return confirmed(self.instance, self.allocations, self.asker.spec)

    @cached_property
    def compared(self) -> Comparison:
        """What the jobs of the plan hold and add, to compare job by job."""
        return Comparison(self.problem, self.allocations)

    def unasked(self, name: str, entitled: float) -> Explanation:
        """Return what is known of a job before anything is asked."""
        one = _One(self, self.jobs[name], self.goodput)
        return Explanation(
            job=name,
            status="runs" if name in self.progress else "waits",
            progress=self.progress.get(name, 0.0),
            entitled=entitled,
            reasons=(),
            undecided=tuple(lever.name for lever in one.levers()),
            notes=("why was not asked in the time given",),
        )

    def reasons_of(self, name: str, entitled: float) -> Explanation:
        """Return why a job got what it got."""
        before = self.asker.alone
        reasons = tuple(_One(self, self.jobs[name], self.goodput).reasons())
        notes = self.asker.doubts(before)
        if not reasons:
            notes = (*notes, "why was not decided in the time given")
        return replace(self.unasked(name, entitled), reasons=reasons, undecided=(), notes=notes)

    def relaxations_of(self, known: Explanation) -> Explanation:
        """Return the explanation with what would change it."""
        one, before = _One(self, self.jobs[known.job], self.goodput), self.asker.alone
        kinds = {reason.kind for reason in known.reasons}
        if known.status == "runs" and kinds & {"curve", "free"}:
            return known
        if "free" in kinds and one.meaning == "no-job-loses":
            return replace(known, notes=(*known.notes, "no relaxation is needed: it can run now and no job loses"))
        if self.asker.late:
            return replace(known, undecided=tuple(lever.name for lever in one.levers()))
        known = one.relaxations(known)
        return replace(known, notes=(*known.notes, *self.asker.doubts(before)))


@dataclass(frozen=True)
class _One:
    """One job that is explained; ``goodput``: of all that run now."""

    case: Case
    job: Job
    goodput: dict[str, float]

    @property
    def meaning(self) -> Meaning:
        return "no-job-loses" if self.job.id in self.goodput else self.case.meaning

    def kept(self, instance: Instance) -> Instance:
        """Return an instance in which no job loses, and the job runs; faster than now, if it does now."""
        mine = self.goodput.get(self.job.id, 0.0) * (1 + self.case.more)
        return floored(instance, {**self.goodput, self.job.id: mine})

    def reasons(self) -> Iterator[Reason]:
        """Yield why the job got what it got, the most telling first."""
        case, job = self.case, self.job
        instance, table = case.instance, case.problem.configurations
        number = instance.jobs.index(job)
        rows = np.flatnonzero(table.job == number)
        if len(rows) == 0:
            yield from self._without_ways(table.reasons.get(number, "it has no configuration"))
            return
        if job.id in self.goodput:
            best = float((table.columns.goodput[rows] * table.share[rows]).max())
            if best <= self.goodput[job.id] * (1 + 1e-3):
                yield Reason(kind="curve", text="it has the best of its configurations: more would not make it faster")
                return
            if best < self.goodput[job.id] * (1 + case.more):
                gain = 100 * (best / self.goodput[job.id] - 1)
                yield Reason(kind="curve", text=f"its own curve: the best of its configurations is {gain:.2g} % faster")
                return
        said: tuple[Reason, ...] = ()
        if not case.asker.late:
            tight = self.kept(instance)
            answer = case.asker.possible(tight)
            if answer == "yes":
                yield from self._free()
                return
            if answer == "no":
                yield from self._scarce(tight)
            said = tuple(self._cost())
            yield from said
        if not said and (text := case.compared.text(number)) is not None:
            yield Reason(kind="others", text=text)

    def _without_ways(self, known: str) -> Iterator[Reason]:
        """Yield which of its own limits leave a job no configuration."""
        instance, number = self.case.instance, self.case.instance.jobs.index(self.job)
        found = False
        own = [*own_constraints(instance, self.job), *_room(instance)]
        for one in own:
            table = build_problem(one.remove(instance), self.case.asker.spec).configurations
            if table.first[number + 1] > table.first[number]:
                found = True
                yield Reason(kind=one.kind, text=known if len(own) == 1 else f"{one.text} ({known})")
        if not found:
            yield Reason(kind="pool", text=known)

    def _free(self) -> Iterator[Reason]:
        """Say why a job waits although no other job would lose by it."""
        asker, name = self.case.asker, self.job.id
        said = "it could run and no job would lose" if name not in self.goodput else "it could be faster, no job losing"
        forced = asker.best(self.kept(self.case.instance))
        mine = self.case.value
        if forced is None or forced.value is None:
            why = "what the objective gains by that was not found in the time given"
        elif asker.sign * (forced.value - mine) > nothing(mine):
            why = f"that plan is better by {abs(forced.value - mine):.4g}: the present one is not the best"
        else:
            lost = loss(asker, mine, forced)
            why = worse(asker, *lost) if lost is not None else f"{asker.spec.name} gains nothing that was proven"
        yield Reason(kind="free", text=f"{said}, but {why}")

    def _scarce(self, tight: Instance) -> Iterator[Reason]:
        """Yield what must be there for the job to run without any job losing."""
        asker, decides = self.case.asker, self.case.instance.decides
        if decides == "network" and asker.possible(replace(tight, decides="placement")) == "yes":
            kinds = {"link", "network"}
        elif decides != "counts" and asker.possible(replace(tight, decides="counts")) == "yes":
            yield Reason(
                kind="fragments",
                text="there are enough GPUs in all, but no servers have them together, given what the others hold",
            )
            kinds = {"own"}
        else:
            kinds = {"capacity", "quota", "moves", "limit", "own", "deadline", "budget", "network", "link"}
        own = {one.key for one in own_constraints(self.case.instance, self.job)}
        others = {"required"} | {k.partition(":")[0] for k in own}
        answers = set()
        for one in constraints_of(self.case.instance):
            shared = one.key.partition(":")[0] not in others and one.kind not in ("deadline", "budget", "own", "memory")
            if one.kind in kinds and (shared or one.key in own):
                answers.add(answer := asker.possible((one.more or one.remove)(tight)))
                if answer == "yes":
                    yield Reason(kind=one.kind, text=f"{one.text}: what the others hold leaves too little")
        if answers == {"no"} and kinds != {"own"}:
            yield Reason(kind="capacity", text="no single resource is missing, but several together")

    def _fine(self) -> float:
        """Return a relative gap at which a hundredth of what this job adds is told from nothing."""
        case = self.case
        table = case.problem.configurations
        mine = case.problem.value[table.job == case.instance.jobs.index(self.job)]
        if case.problem.objective.aggregate != "sum" or len(case.jobs) > _MANY or not len(mine):
            return case.asker.gap
        part = 0.01 * float(np.abs(mine).max()) / max(abs(case.value), 1e-12)
        return min(case.asker.gap, max(part, _FINEST))

    def _cost(self) -> Iterator[Reason]:
        """Yield what the objective and others would lose if the job had to run."""
        case, asker, name = self.case, self.case.asker, self.job.id
        mine = case.value
        floor = self.goodput.get(name, 0.0) * (1 + case.more)
        forced = asker.best(floored(case.instance, {name: floor}), gap=self._fine())
        if (answer := verdict(forced)) == "unknown":
            return
        must = "if it had to run" if name not in self.goodput else f"if it had to be {100 * case.more:.3g} % faster"
        if answer == "no" or forced is None or forced.value is None:
            yield Reason(kind="blocked", text=f"{must}, there would be no plan: {_reason(forced)}")
            return
        lost = loss(asker, mine, forced)
        then = {a.job: a.progress for a in forced.allocations}
        before = case.progress
        losers = [j for j in before if then.get(j, 0.0) < before[j] * (1 - 1e-6) and j != name]
        said = ", ".join(f"{j} {before[j]:.3g} -> {then.get(j, 0.0):.3g}" for j in losers[:5])
        more = f" and {len(losers) - 5} more" if len(losers) > 5 else ""
        kind = "others" if case.problem.objective.aggregate == "sum" else "fairness"
        if lost is None:  # the difference is within the gap of the answer, and proves nothing
            return
        what = worse(asker, *lost) if lost[1] > nothing(mine) else f"{asker.spec.name} would stay {forced.value:.4g}"
        yield Reason(kind=kind, text=f"{must}, {what}" + (f"; progress of {said}{more}" if losers else ""))

    def relaxations(self, known: Explanation) -> Explanation:
        """Return the explanation with the smallest amounts of all levers that alone help the job."""
        case = self.case
        guess = Guesser(case.problem, self.job.id)
        found: list[Relaxation] = []
        fails: list[str] = []
        undecided: list[str] = []
        levers = self.levers()
        hopeless = self._hopeless(levers)
        for lever in levers:
            if lever.key in hopeless:
                fails.append(lever.name)
                continue
            plans: dict[int, Result] = {}
            answer = smallest(self._enough(lever, plans), guess(lever), lever.top, lever.whole)
            if answer.verdict == "yes":
                found.append(self._record(lever, answer, plans.get(answer.steps)))
            else:
                (fails if answer.verdict == "no" else undecided).append(lever.name)
        notes = known.notes
        if known.status == "runs":
            notes = (*notes, f"relaxations: it progresses at least {100 * case.more:.3g} % faster, and no job loses")
        return replace(known, relaxations=tuple(found), fails=tuple(fails), undecided=tuple(undecided), notes=notes)

    def levers(self) -> list[Lever]:
        """Return what could be changed of what is asked about; a weight makes no room where no job may lose."""
        case, wanted = self.case, self.case.levers
        return [
            lever
            for lever in (*own_levers(case.instance, self.job), *case.shared)
            if (wanted is None or {lever.key, lever.key.partition(":")[0]} & set(wanted))
            and not (self.meaning == "no-job-loses" and lever.key.startswith("weight:"))
        ]

    def _hopeless(self, levers: Sequence[Lever]) -> set[str]:
        """Return the keys of rates, cores and memory of which all together are not enough for no job to lose."""
        some = [lever for lever in levers if lever.kind in ("capacity", "link", "network") and not lever.whole]
        if self.meaning != "no-job-loses" or len(some) < 2:
            return set()
        changed = self.case.instance
        for lever in some:
            changed = lever.change(changed, lever.amount(lever.top))
        return {lever.key for lever in some} if self.case.asker.possible(self.kept(changed)) == "no" else set()

    def _enough(self, lever: Lever, plans: dict[int, Result]) -> Callable[[int], Verdict]:
        def enough(steps: int) -> Verdict:
            changed = lever.change(self.case.instance, lever.amount(steps))
            if self.meaning == "no-job-loses":
                return self.case.asker.possible(self.kept(changed))
            found = self.case.asker.best(changed)
            if found is not None:
                plans[steps] = found
            return surely_runs(self.case.asker, changed, self.job.id, found, self.case.problem.objective.aggregate)

        return enough

    def _record(self, lever: Lever, answer: Smallest, plan: Result | None) -> Relaxation:
        """Return what was found, with the job's progress in the plan that it was seen in, or in the best one."""
        if plan is None:
            changed = lever.change(self.case.instance, lever.amount(answer.steps))
            plan = self.case.asker.best(self.kept(changed))
        held = {a.job: a.progress for a in plan.allocations} if plan is not None else {}
        said = lever.said(answer.steps)
        return Relaxation(
            lever=said.lever,
            amount=said.amount,
            unit=said.unit,
            text=said.text,
            meaning=self.meaning,
            less=lever.amount(answer.less),
            less_text=lever.text(lever.amount(answer.less)) if answer.less else "",
            progress=held.get(self.job.id),
            value=None if plan is None else plan.value,
            proven=answer.proven,
        )


def _room(instance: Instance) -> list[Constraint]:
    """Return the capacities: a pool can be too small for a job alone."""
    return [one for one in constraints_of(instance) if one.key.startswith("gpus:")]


def _reason(found: Result | None) -> str:
    return "" if found is None else found.reason
