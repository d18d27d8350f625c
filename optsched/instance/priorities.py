"""Strict priority classes: the class of each job, and the objectives that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optsched._util.arrays import IntArray
from optsched.instance.records import Instance, ObjectiveSpec

__all__ = ["by_class", "class_numbers"]


def class_numbers(instance: Instance) -> IntArray:
    """Return the number of each job's class, 0 for the highest, shape ``(jobs,)``.

    A job of class ``c`` that arrived ``t`` seconds ago is in class ``max(0, c - min(most, floor(t / every_s)))`` by the
    instance's aging, whether it runs or waits, so that it is not preempted for having started.
    """
    number = {known.id: k for k, known in enumerate(instance.priority_classes)}
    last = max(0, len(number) - 1)
    found = np.array([number.get(job.priority or "", last) for job in instance.jobs], dtype=np.int64)
    if (aging := instance.aging) is not None:
        age = np.array([max(0.0, instance.now_s - job.arrival_s) for job in instance.jobs], dtype=np.float64)
        risen = np.minimum(np.floor(age / aging.every_s), last if aging.most is None else aging.most)
        found = np.maximum(0, found - risen.astype(np.int64))
    return found


def by_class(instance: Instance, objectives: Sequence[ObjectiveSpec]) -> tuple[ObjectiveSpec, ...]:
    """Return the objectives of each class that has jobs, the highest first; as they are without classes.

    Before a class that does not preempt comes the number of jobs of lower classes that keep what they hold.
    """
    if not instance.priority_classes or any(spec.name == "in-class" for spec in objectives):
        return tuple(objectives)
    numbers = class_numbers(instance)
    holds = np.array([job.holds is not None for job in instance.jobs], dtype=bool)
    found = []
    for number, known in enumerate(instance.priority_classes):
        if not (numbers == number).any():
            continue
        if not known.preempts and (holds & (numbers > number)).any():
            parameters = {"name": known.id, "of": "kept", "below": True}
            found.append(ObjectiveSpec(name="in-class", parameters=parameters))
        for inner in objectives:
            parameters = {"name": known.id, "of": inner.name}
            if inner.parameters:
                parameters["parameters"] = inner.parameters
            found.append(ObjectiveSpec(name="in-class", parameters=parameters))
    return tuple(found) or tuple(objectives)
