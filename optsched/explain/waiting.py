"""Why a job waits, or gets little, and the smallest changes that help it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from optsched._util.numeric import relative
from optsched.errors import InputError, shown
from optsched.explain.bisection import Smallest, smallest
from optsched.explain.constraints import Constraint, constraints_of, own_constraints
from optsched.explain.goodput_floors import floored, with_job
from optsched.explain.guesses import Guesser
from optsched.explain.oracle import Asker, Report, Verdict, verdict
from optsched.explain.plans import confirmed, entitlements, goodputs
from optsched.explain.records import Explanation, Meaning, Reason, Relaxation
from optsched.explain.relaxations import Lever, own_levers, shared_levers
from optsched.instance import Instance, Job, ObjectiveSpec, admit
from optsched.instance.objectives import one_objective
from optsched.instance.result import Result
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem
from optsched.problem.problem import Problem

__all__ = ["explain"]


def explain(
    instance: Instance | Path | str,
    allocations: Sequence[Allocation],
    *,
    objective: str | ObjectiveSpec | None = None,
    jobs: Sequence[str] | None = None,
    meaning: Meaning = "optimal",
    more: float = 0.1,
    levers: Sequence[str] | None = None,
    gap: float = 1e-4,
    seconds: float | None = 60.0,
    time_limit: float | None = None,
    report: Report | None = None,
) -> tuple[Explanation, ...]:
    """Explain why jobs got nothing or little by a plan, and what would change it.

    Parameters
    ----------
    allocations
        A plan that keeps every rule, e.g. ``result.allocations``.
    objective
        That the plan was made by; default: the instance's own.
    jobs
        Whom to explain. Default: all that wait, and all that progress less than on their share of the cluster.
    meaning
        What a relaxation of a waiting job promises; see :data:`~optsched.explain.records.Meaning`. Relaxations of
        jobs that run always mean "nobody-loses".
    more
        By which part a job that runs already shall progress faster, > 0.
    levers
        Keys of levers, or what stands before their first colon (``gpus``, ``deadline``); default: all.
    gap
        Of all questions to the solver. Solve the relaxed instance with the same one (the default is that of
        :func:`optsched.solve`).
    seconds, time_limit
        Most of one question, and of all. What was not decided by then is named as undecided.
    report
        Called with what is being asked, for people who wait.

    Raises
    ------
    InputError
        For a plan that breaks a rule, or a job that does not exist.
    """
    instance = admit(instance)
    spec = one_objective(objective, instance.objective)
    confirmed(instance, allocations, spec)
    asker = Asker.within(time_limit, spec, gap, seconds, report)
    entitled, _ = entitlements(instance)
    progress = {a.job: a.progress for a in allocations}
    if jobs is None:
        jobs = [
            job.id
            for job in instance.jobs
            if job.id not in progress or progress[job.id] < entitled.get(job.id, 0.0) * (1 - 1e-6)
        ]
    case = _Case(instance, tuple(allocations), build_problem(instance, spec), asker, meaning, more, levers)
    found = []
    for number, name in enumerate(jobs):
        asker.about = f"{name} ({number + 1} of {len(jobs)})"
        found.append(case.of(name, entitled.get(name, 0.0)))
    return tuple(found)


@dataclass(frozen=True)
class _Case:
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

    def of(self, name: str, entitled: float) -> Explanation:
        """Explain one job."""
        job = self.jobs.get(name)
        if job is None:
            raise InputError("the id of a job of the instance", path="job", value=shown(name))
        now, before = self.progress, self.asker.alone
        known = Explanation(
            job=name,
            status="runs" if name in now else "waits",
            progress=now.get(name, 0.0),
            entitled=entitled,
            reasons=(),
        )
        one = _One(self, job, self.goodput)
        if self.asker.late:
            undecided = tuple(lever.name for lever in one.levers())
            return replace(known, undecided=undecided, notes=("why was not asked in the time given",))
        reasons = tuple(one.reasons())
        known = replace(known, reasons=reasons)
        if name not in now or not any(reason.kind in ("curve", "free") for reason in reasons):
            known = one.relaxations(known)
        return replace(known, notes=(*known.notes, *self.asker.doubts(before)))


@dataclass(frozen=True)
class _One:
    """One job that is explained; ``goodput``: of all that run now."""

    case: _Case
    job: Job
    goodput: dict[str, float]

    @property
    def meaning(self) -> Meaning:
        return "nobody-loses" if self.job.id in self.goodput else self.case.meaning

    def kept(self, instance: Instance) -> Instance:
        """Return an instance in which nobody loses, and the job runs; faster than now, if it does now."""
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
        tight = self.kept(instance)
        answer = case.asker.possible(tight)
        if answer == "yes":
            yield from self._free()
            return
        if answer == "no":
            yield from self._scarce(tight)
        yield from self._cost()

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
        """Say why a job waits although nobody would lose by it."""
        asker, name = self.case.asker, self.job.id
        said = "it could run and nobody would lose" if name not in self.goodput else "it could be faster, nobody losing"
        forced = asker.best(self.kept(self.case.instance))
        mine = self.case.value
        if forced is None or forced.value is None:
            why = "what the objective gains by that was not found in the time given"
        elif relative(asker.sign * (forced.value - mine), mine) > asker.gap:
            why = f"that plan is better by {abs(forced.value - mine):.4g}: the present one is not the best"
        else:
            lost = asker.sign * (mine - forced.value)
            why = f"{asker.spec.name} gains nothing by that" if lost <= 1e-9 else _worse(asker, lost)
        yield Reason(kind="free", text=f"{said}, but {why}")

    def _scarce(self, tight: Instance) -> Iterator[Reason]:
        """Yield what must be there for the job to run without a loss for anybody."""
        asker, decides = self.case.asker, self.case.instance.decides
        if decides == "network" and asker.possible(replace(tight, decides="placement")) == "yes":
            kinds = {"link", "network"}
        elif decides != "counts" and asker.possible(replace(tight, decides="counts")) == "yes":
            yield Reason(
                kind="fragments",
                text="there are enough GPUs in all, but on no servers where they fit it, beside what the others hold",
            )
            kinds = {"own"}
        else:
            kinds = {"capacity", "moves", "limit", "own", "deadline", "budget", "network", "link"}
        own = {one.key for one in own_constraints(self.case.instance, self.job)}
        others = {"required"} | {k.partition(":")[0] for k in own}
        answers = set()
        for one in constraints_of(self.case.instance):
            shared = one.key.partition(":")[0] not in others and one.kind not in ("deadline", "budget", "own", "memory")
            if one.kind in kinds and (shared or one.key in own):
                answers.add(answer := asker.possible(one.remove(tight)))
                if answer == "yes":
                    yield Reason(kind=one.kind, text=f"{one.text}: what the others hold leaves too little")
        if answers <= {"no"} and kinds != {"own"}:
            yield Reason(kind="capacity", text="no single resource is missing, but several together")

    def _cost(self) -> Iterator[Reason]:
        """Yield what the objective and others would lose if the job had to run."""
        case, asker, name = self.case, self.case.asker, self.job.id
        mine = case.value
        floor = self.goodput.get(name, 0.0) * (1 + case.more)
        forced = asker.best(floored(case.instance, {name: floor}))
        if (answer := verdict(forced)) == "unknown":
            return
        must = "if it had to run" if name not in self.goodput else f"if it had to be {100 * case.more:.3g} % faster"
        if answer == "no" or forced is None or forced.value is None:
            yield Reason(kind="blocked", text=f"{must}, there would be no plan: {_reason(forced)}")
            return
        lost = asker.sign * (mine - forced.value)
        then = {a.job: a.progress for a in forced.allocations}
        before = case.progress
        losers = [j for j in before if then.get(j, 0.0) < before[j] * (1 - 1e-6) and j != name]
        said = ", ".join(f"{j} {before[j]:.3g} -> {then.get(j, 0.0):.3g}" for j in losers[:5])
        more = f" and {len(losers) - 5} more" if len(losers) > 5 else ""
        kind = "others" if case.problem.objective.aggregate == "sum" else "fairness"
        what = (
            _worse(asker, lost)
            if lost > 1e-9 * max(1.0, abs(mine))
            else (f"{asker.spec.name} would stay {forced.value:.4g}")
        )
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
            notes = (*notes, f"relaxations: it progresses at least {100 * case.more:.3g} % faster, and nobody loses")
        return replace(known, relaxations=tuple(found), fails=tuple(fails), undecided=tuple(undecided), notes=notes)

    def levers(self) -> list[Lever]:
        """Return what could be changed of what is asked about; a weight makes no room where nobody may lose."""
        case, wanted = self.case, self.case.levers
        return [
            lever
            for lever in (*own_levers(case.instance, self.job), *case.shared)
            if (wanted is None or {lever.key, lever.key.partition(":")[0]} & set(wanted))
            and not (self.meaning == "nobody-loses" and lever.key.startswith("weight:"))
        ]

    def _hopeless(self, levers: Sequence[Lever]) -> set[str]:
        """Return the keys of rates, cores and memory of which all together are not enough for nobody to lose."""
        some = [lever for lever in levers if lever.kind in ("capacity", "link", "network") and not lever.whole]
        if self.meaning != "nobody-loses" or len(some) < 2:
            return set()
        changed = self.case.instance
        for lever in some:
            changed = lever.change(changed, lever.amount(lever.top))
        return {lever.key for lever in some} if self.case.asker.possible(self.kept(changed)) == "no" else set()

    def _enough(self, lever: Lever, plans: dict[int, Result]) -> Callable[[int], Verdict]:
        def enough(steps: int) -> Verdict:
            changed = lever.change(self.case.instance, lever.amount(steps))
            if self.meaning == "nobody-loses":
                return self.case.asker.possible(self.kept(changed))
            found = self.case.asker.best(changed)
            if found is not None:
                plans[steps] = found
            return _surely_runs(self.case.asker, changed, self.job.id, found, self.case.problem.objective.aggregate)

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


def _surely_runs(asker: Asker, instance: Instance, name: str, found: Result | None, aggregate: str) -> Verdict:
    """Tell whether every plan within the gap of the optimum runs a job; ``found``: such a plan."""
    if found is None or (answer := verdict(found)) == "unknown":
        return "unknown"
    if answer == "no" or found.value is None:
        return "no"
    if all(a.job != name for a in found.allocations):
        return "no" if found.status == "optimal" else "unknown"
    if aggregate == "lexmin":
        return "yes"
    # sites that do not exist: it still counts as a job, and can run nowhere
    other = asker.best(with_job(instance, name, sites=(), required=False))
    if other is None or verdict(other) == "unknown":
        return "unknown"
    if other.value is None or other.bound is None:
        return "yes" if other.status == "infeasible" else "unknown"
    mine, theirs, most = (asker.sign * x for x in (found.value, other.value, other.bound))
    if mine - most > 1.001 * asker.gap * max(1e-9, abs(most)):
        return "yes"
    return "unknown" if mine - theirs > 1.001 * asker.gap * max(1e-9, abs(theirs)) else "no"


def _worse(asker: Asker, amount: float) -> str:
    """Return by how much the objective gets worse, for people."""
    return f"{asker.spec.name} would {'lose' if asker.sign > 0 else 'rise by'} {amount:.4g}"


def _room(instance: Instance) -> list[Constraint]:
    """Return the capacities: a pool can be too small for a job alone."""
    return [one for one in constraints_of(instance) if one.key.startswith("gpus:")]


def _reason(found: Result | None) -> str:
    return "" if found is None else found.reason
