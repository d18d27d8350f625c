"""From a plan to the priority boosts by which Kueue follows it."""

from __future__ import annotations

from dataclasses import dataclass

from optsched.integrations.kueue.view import View
from optsched.integrations.objects import Object, label
from optsched.scheduler import Plan
from optsched.scheduler.records import KINDS

__all__ = ["BOOST", "Boost", "boosts_of"]

BOOST = "kueue.x-k8s.io/priority-boost"
"""The annotation that Kueue adds to a workload's priority; external controllers write it."""


@dataclass(frozen=True)
class Boost:
    """The boost of one workload; None: the annotation is not there, or is to be taken away."""

    workload: str
    queue: str
    action: str
    flavor: str
    gpus: int
    before: str | None
    after: str | None
    reason: str

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after


def boosts_of(plan: Plan, view: View) -> list[Boost]:
    """Return the boost of each workload.

    What runs in the plan comes before all that does not: it is lifted to one above the highest priority of any
    workload. The others have their own priority again.
    """
    top = 1 + max((_priority(one) for one in view.workloads.values()), default=0)
    found = []
    for kind in KINDS:
        for action in getattr(plan, kind):
            one = view.workloads[action.job]
            a = action.allocation
            runs = a is not None
            boost = top - _priority(one) if runs else 0
            jobs_gpus = a.gpus if a is not None else 0
            found.append(
                Boost(
                    workload=action.job,
                    queue=view.queues[action.job],
                    action=kind,
                    flavor="" if a is None else a.gpu_type,
                    gpus=jobs_gpus,
                    before=label(one, BOOST) or None,
                    after=str(boost) if boost else None,
                    reason=action.reason,
                )
            )
    return found


def _priority(one: Object) -> int:
    value = (one.get("spec") or {}).get("priority")
    return value if isinstance(value, int) else 0
