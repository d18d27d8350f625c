"""From what a caller has (dicts, dataclasses, records, numpy scalars) to validated records."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.instance import Cluster, Job, ObjectiveSpec
from optsched.instance.objectives import objective as objective_of
from optsched.instance.objectives import one_objective, register
from optsched.instance.records import Instance
from optsched.prediction.curves import Curve
from optsched.scheduler.records import LiveJob

__all__ = ["JOB_FIELDS", "Given", "cluster_of", "curves_of", "jobs_of", "number", "plain", "read_job", "spec_of"]

JOB_FIELDS = tuple(field.name for field in msgspec.structs.fields(Job))
"""What a job of an instance and one of a scheduler share."""
read_job: Callable[[Job], tuple[Any, ...]] = attrgetter(*JOB_FIELDS)


class Given(NamedTuple):
    """A job, and the names of what its caller said of it; what is left out, the scheduler remembers."""

    job: LiveJob
    told: frozenset[str]


def plain(value: Any) -> Any:
    """Return a value made of dicts, lists, strings and Python's own numbers: arrays and records taken apart."""
    if value is None or isinstance(value, str | bool):
        return value
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, and what looks like them
        return plain(value.tolist())
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.to_builtins(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return [plain(inner) for inner in value]
    return value


def number(value: Any, path: str) -> float:
    """Return a finite number >= 0; raise InputError for anything else."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < float("inf"):
        raise InputError("a finite number >= 0", path=path, value=shown(value))
    return float(found)


def jobs_of(jobs: Iterable[Any]) -> list[Given]:
    """Return jobs as records.

    Raises
    ------
    InputError
        With the path of the fault, such as ``$.jobs[3].weight``.
    """
    if isinstance(jobs, Mapping | str) or not isinstance(jobs, Iterable):
        raise InputError("a list of jobs", path="$.jobs", value=shown(jobs))
    found, seen = [], dict[str, int]()
    for index, job in enumerate(jobs):
        try:
            given = _given(job)
        except InputError as error:
            raise error.within(path=f"$.jobs[{index}]") from None
        if (first := seen.setdefault(given.job.id, index)) != index:
            expected = f"every job to have an id of its own; $.jobs[{first}] has it, too"
            raise InputError(expected, path=f"$.jobs[{index}].id", value=shown(given.job.id))
        found.append(given)
    return found


def _given(job: Any) -> Given:
    """Return one job."""
    if isinstance(job, LiveJob):
        return Given(job, _said(job))
    if isinstance(job, Job):
        return Given(_live(job), _said(job))
    if isinstance(job, Mapping):
        raw, told = job, frozenset(map(str, job))
    elif dataclasses.is_dataclass(job) or isinstance(job, msgspec.Struct):
        raw = plain(job)
        told = frozenset(name for name, value in raw.items() if value is not None)
        raw = {name: raw[name] for name in told}
    else:
        raise InputError("a dict, a dataclass or a record of a job", path="$", value=shown(job))
    if "holds" in raw and "current" not in raw:  # the field's name in Python, and its key in files
        raw = {**{name: value for name, value in raw.items() if name != "holds"}, "current": raw["holds"]}
    if "current" in told:
        told |= {"holds"}
    try:
        return Given(msgspec.convert(raw, LiveJob), told)
    except (msgspec.ValidationError, TypeError):  # numbers of numpy, perhaps
        return Given(convert(plain(raw), LiveJob), told)


def _said(job: Job) -> frozenset[str]:
    """Return which fields a record says: those that differ from their defaults."""
    return frozenset(name for name in ("holds", "arrival_s", "restarts", "attained_gpu_s") if getattr(job, name))


def _live(job: Job) -> LiveJob:
    """Return a job of an instance as one of a scheduler."""
    fields = dict(zip(JOB_FIELDS, read_job(job), strict=True))
    return LiveJob(**fields)


def cluster_of(cluster: Any) -> Cluster:
    """Return a cluster as a record: from one, from its dict, or from an instance that has it."""
    if isinstance(cluster, Instance):
        return cluster.cluster
    try:
        return cluster if isinstance(cluster, Cluster) else convert(plain(cluster), Cluster)
    except InputError as error:
        raise error.within(path="$.cluster") from None


def curves_of(curves: Any) -> dict[str, Curve]:
    """Return curves by name: from a dict of records or of their dicts, or from a file of fitted curves."""
    if curves is None:
        return {}
    if not isinstance(curves, Mapping):
        from optsched.prediction.curves.fitted import load_curves

        return {fitted.name: fitted.curve for fitted in load_curves(curves).curves}
    found = {}
    for name, curve in curves.items():
        try:
            known = isinstance(curve, Curve)
            found[str(name)] = curve if known else convert(plain(curve), Curve)  # type: ignore[arg-type]
        except InputError as error:
            raise error.within(path=f"$.curves[{shown(name)}]") from None
    return found


def spec_of(objective: Any) -> ObjectiveSpec:
    """Return an objective by name, with parameters, or of a function; raise InputError for one that is not there."""
    if isinstance(objective, str):
        spec = one_objective(objective, ObjectiveSpec())
    elif isinstance(objective, ObjectiveSpec):
        spec = objective
    elif callable(objective):
        spec = register(objective)
    else:
        spec = convert(plain(objective), ObjectiveSpec)
    objective_of(spec)
    return spec
