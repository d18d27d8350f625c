"""Why a job waits, or gets little, and the smallest changes that help it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from optsched.errors import InputError, shown
from optsched.explain.case import Case
from optsched.explain.oracle import Asker, Report
from optsched.explain.plans import confirmed, entitlements
from optsched.explain.records import Explanation, Meaning, meaning_of
from optsched.instance import Instance, ObjectiveSpec, admit
from optsched.instance.objectives import one_objective
from optsched.instance.solution import Allocation
from optsched.problem.build import build_problem

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
        jobs that run always mean "no-job-loses".
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
    meaning = meaning_of(meaning)
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
    case = Case(instance, tuple(allocations), build_problem(instance, spec), asker, meaning, more, levers)
    unknown = [name for name in jobs if name not in case.jobs]
    if unknown:
        raise InputError("the id of a job of the instance", path="job", value=shown(unknown[0]))
    if time_limit is not None and time_limit <= 0:
        return tuple(case.unasked(name, entitled.get(name, 0.0)) for name in jobs)
    end = asker.deadline
    if end is not None:  # all jobs get their reasons in the first half, then relaxations as far as time goes
        asker.deadline = end - 0.5 * (end - time.monotonic())
    found = []
    for number, name in enumerate(jobs):
        asker.about = f"{name} ({number + 1} of {len(jobs)})"
        found.append(case.reasons_of(name, entitled.get(name, 0.0)))
    asker.deadline = end
    for number, name in enumerate(jobs):
        asker.about = f"{name} ({number + 1} of {len(jobs)})"
        found[number] = case.relaxations_of(found[number])
    return tuple(found)
