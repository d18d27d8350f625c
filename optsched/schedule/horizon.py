"""What a schedule is asked for in addition to its instance: how far to look, what counts, and what is short when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from optsched._util.files import read, write_json
from optsched.errors import InputError, shown
from optsched.instance import Instance, Job
from optsched.prediction.curves.base import Name, NonNegative, Positive, PositiveInt

__all__ = ["Demand", "Horizon", "Reservation", "Shared", "capacities", "load_horizon", "save_horizon", "validated"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records of the file."""


class Reservation(_Record, frozen=True):
    """A part of a resource that no job gets from ``start_s`` to ``end_s``, on the clock of ``Instance.now_s``.

    resource
        ``GPUTYPE@SITE`` for the GPUs of a pool, ``cpu_cores@SITE``, ``memory_gb@SITE``, or the name of a
        shared resource of the same file.
    """

    resource: Name
    amount: Positive
    start_s: NonNegative
    end_s: NonNegative


class Demand(_Record, frozen=True):
    """What configurations take of a shared resource while they run: ``fixed + per_gpu GPUs + per_node nodes``.

    job, site, gpu_type
        Whom it concerns; None: everybody.
    min_nodes
        It concerns configurations on at least this number of nodes; 2 for what crosses the network.
    """

    job: Name | None = None
    site: Name | None = None
    gpu_type: Name | None = None
    min_nodes: PositiveInt = 1
    fixed: NonNegative = 0.0
    per_gpu: NonNegative = 0.0
    per_node: NonNegative = 0.0

    def amount(self, job: str, site: str, gpu_type: str, gpus: int, nodes: int) -> float:
        """Return what one configuration takes; 0 if it is not concerned."""
        asked = ((self.job, job), (self.site, site), (self.gpu_type, gpu_type))
        if nodes < self.min_nodes or any(mine not in (None, theirs) for mine, theirs in asked):
            return 0.0
        return self.fixed + self.per_gpu * gpus + self.per_node * nodes


class Shared(_Record, frozen=True):
    """Anything else that running jobs share, e.g. the rate of a link in Gb/s; demands add up."""

    name: Name
    capacity: NonNegative
    demands: tuple[Demand, ...] = ()

    def amount(self, job: str, site: str, gpu_type: str, gpus: int, nodes: int) -> float:
        """Return what one configuration takes of it."""
        return sum(demand.amount(job, site, gpu_type, gpus, nodes) for demand in self.demands)


class Horizon(_Record, frozen=True):
    """How far to look, and what counts.

    objective
        See ``optsched.schedule.objectives.GOALS``.
    horizon_s
        Nothing ends later than this number of seconds after ``Instance.now_s``; None: as far as is needed so
        that no better schedule is cut off (see ``optsched.schedule.problem``).
    """

    format: Literal["optsched-horizon/1"] = "optsched-horizon/1"
    objective: Annotated[str, msgspec.Meta(min_length=1)] = "weighted-tardiness"
    horizon_s: Positive | None = None
    reservations: tuple[Reservation, ...] = ()
    resources: tuple[Shared, ...] = ()


def load_horizon(path: Path | str) -> Horizon:
    """Read a horizon file; raise InputError where it is wrong."""
    return read(path, Horizon)


def save_horizon(horizon: Horizon, path: Path | str) -> None:
    """Write a horizon file, whole or not at all."""
    write_json(path, horizon)


def capacities(instance: Instance, horizon: Horizon) -> dict[str, float]:
    """Return what there is of each limited resource, by the name that reservations call it by."""
    found: dict[str, float] = {}
    cluster = instance.cluster
    for site in cluster.sites:
        groups = [group for group in cluster.servers if group.site == site.id]
        for group in groups:
            if group.gpu_type is not None:
                name = f"{group.gpu_type}@{site.id}"
                found[name] = found.get(name, 0.0) + group.count * group.gpus
        for field in ("cpu_cores", "memory_gb"):
            each = [(group.count, getattr(group, field)) for group in groups]
            if each and all(amount is not None for _, amount in each):
                found[f"{field}@{site.id}"] = float(sum(count * amount for count, amount in each))
    return found | {shared.name: shared.capacity for shared in horizon.resources}


def validated(instance: Instance, horizon: Horizon) -> Horizon:
    """Return the horizon if it fits the instance.

    Raises
    ------
    InputError
        For names that do not exist or exist twice, reservations that end before they start or take more than
        there is, jobs without ``remaining_examples``, and limits on moves or other objectives, which schedules do
        not keep.
    """
    there = capacities(instance, Horizon())
    for number, shared in enumerate(horizon.resources):
        path = f"$.resources[{number}]"
        if shared.name in there or any(shared.name == other.name for other in horizon.resources[:number]):
            raise InputError("a name of its own", path=f"{path}.name", value=shown(shared.name))
        for index, demand in enumerate(shared.demands):
            for what, expected in _unknown(instance, demand):
                raise InputError(expected, path=f"{path}.demands[{index}].{what}", value=shown(getattr(demand, what)))
    there = capacities(instance, horizon)
    for number, one in enumerate(horizon.reservations):
        path = f"$.reservations[{number}]"
        if one.resource not in there:
            raise InputError(f"one of {', '.join(there)}", path=f"{path}.resource", value=shown(one.resource))
        if one.end_s <= one.start_s:
            raise InputError(f"a time after start_s = {one.start_s:g}", path=f"{path}.end_s", value=f"{one.end_s:g}")
        others = [o for o in horizon.reservations if o.resource == one.resource]
        taken = sum(o.amount for o in others if o.start_s <= one.start_s < o.end_s)
        if taken > there[one.resource] * (1 + 1e-9):
            expected = f"at most {there[one.resource]:g} of {one.resource} reserved at any time"
            raise InputError(expected, path=f"{path}.amount", value=f"{taken:g} in all at {one.start_s:g} s")
    for number, job in enumerate(instance.jobs):
        if job.remaining_examples is None:
            expected = "remaining_examples, which the end of the job depends on"
            raise InputError(expected, path=f"$.jobs[{number}]", value="none")
    for field in ("max_moves", "limits"):
        if (value := getattr(instance, field)) not in (None, ()):
            expected = "none: it is a limit on one decision, which schedules over time do not keep"
            raise InputError(expected, path=f"$.{field}", value=shown(value))
    return horizon


def _unknown(instance: Instance, demand: Demand) -> Iterator[tuple[str, str]]:
    """Yield the fields of a demand that name nothing that exists, and what they should name."""
    known = {
        "job": {job.id for job in instance.jobs},
        "site": {site.id for site in instance.cluster.sites},
        "gpu_type": {gpu.id for gpu in instance.cluster.gpu_types},
    }
    for what, names in known.items():
        if getattr(demand, what) is not None and getattr(demand, what) not in names:
            yield what, f"the id of a {what.replace('_', ' ')}"


def hard(job: Job, rejects: bool) -> bool:
    """Tell whether a job's deadline is a constraint: it must run, or it runs in time or not at all."""
    return job.deadline_s is not None and (job.required or rejects)
