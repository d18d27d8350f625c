"""From a plan to the commands of ``scontrol`` that carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optsched.instance.solution import Allocation
from optsched.integrations.slurm.records import SlurmJob
from optsched.integrations.slurm.view import View
from optsched.scheduler import Plan

__all__ = ["Changes", "Target", "changes_of"]


@dataclass(frozen=True)
class Target:
    """What a job shall ask for, so that Slurm can start it nowhere but where the plan has it.

    wanted
        The GPU type as the job asks for it; "": any. Slurm refuses another one.
    whole
        Whether it asks for GPUs in all, and not for each node.
    cpus
        That it asks for; None: as many as its GPUs need. Slurm would keep those that a larger number of nodes needed.
    """

    job: int
    on: dict[str, int]
    wanted: str
    whole: bool
    cpus: int | None = None

    @property
    def command(self) -> str:
        """The command that asks so. Without ``StartTime`` a job that was requeued waits for two minutes."""
        kind = f"gres:gpu:{self.wanted}:" if self.wanted else "gres:gpu:"
        asks = f"TresPerJob={kind}{sum(self.on.values())}" if self.whole else f"TresPerNode={kind}{self._each}"
        nodes = len(self.on)
        asks += "" if self.cpus is None else f" NumCPUs={self.cpus}"
        return f"update JobId={self.job} {asks} ReqNodeList={','.join(self.on)} NumNodes={nodes}-{nodes} StartTime=now"

    @property
    def _each(self) -> int:
        return next(iter(self.on.values()))

    def is_asked_by(self, job: SlurmJob) -> bool:
        """Tell whether a job asks for it: an update can be refused in part."""
        asked = job.per_job if self.whole else job.per_node
        gpus = sum(self.on.values()) if self.whole else self._each
        nodes = job.most_nodes in (0, len(self.on))
        return asked == (self.wanted, gpus) and job.required == self.on.keys() and nodes


@dataclass(frozen=True)
class Changes:
    """What is to be done, in this order.

    free
        Commands that take GPUs or places away from jobs: ``requeuehold`` and ``hold``.
    targets
        What jobs shall ask for, before they are released.
    notes
        What of the plan Slurm cannot do.
    """

    free: dict[int, str]
    targets: tuple[Target, ...]
    notes: tuple[str, ...] = ()

    @property
    def commands(self) -> list[str]:
        """All commands, as if each were carried out."""
        updates = [target.command for target in self.targets]
        return [*self.free.values(), *updates, *(f"release {target.job}" for target in self.targets)]


def changes_of(plan: Plan, view: View) -> Changes:
    """Return what is to be done so that jobs hold what a plan gives them."""
    free: dict[int, str] = {}
    targets, notes = [], []
    jobs = {job.id: job for job in view.jobs}
    for action in plan.changes:
        job, live = view.slurm[action.job], jobs[action.job]
        on = None if action.allocation is None else _pieces(action.allocation, job)
        if on is not None and sum(on.values()) < live.min_gpus:
            notes.append(
                f"job {job.id} waits: Slurm gives each node equally many GPUs; --gpus at its submission would do"
            )
            on = None
        before: Mapping[str, int] = {} if live.holds is None else live.holds.placement or {}
        if on == before:
            continue
        if job.on:
            free[job.id] = f"requeuehold {job.id}"
        elif not job.held:
            free[job.id] = f"hold {job.id}"
        if on:
            assert job.asked is not None
            cpus = None if job.scales else max(len(on), job.tasks * job.cpus_per_task)
            targets.append(Target(job.id, on, job.asked[0], job.per_job is not None, cpus))
    for number in view.stray:
        if number not in free and all(target.job != number for target in targets):
            free[number] = f"hold {number}"
    return Changes(free, tuple(targets), tuple(notes))


def _pieces(a: Allocation, job: SlurmJob) -> dict[str, int]:
    """Return the GPUs on each node; equally many where the job asks for GPUs by node."""
    on = dict(sorted((a.placement or {}).items()))
    if job.per_job is not None or not on:
        return on
    return dict.fromkeys(on, min(on.values()))
