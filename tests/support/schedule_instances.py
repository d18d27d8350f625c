"""Small random instances in whole seconds, for the tests of schedules."""

from __future__ import annotations

from typing import Any

import numpy as np

from optsched.instance import Instance
from optsched.schedule import Demand, Horizon, Reservation, Shared
from tests.support.builders import cluster, instance, job

LENGTH = 12
"""Seconds of every horizon."""


def configurations(random: np.random.Generator, gpus: int, work: int) -> list[dict[str, Any]]:
    """Return one to three configurations; more GPUs take no longer, and the durations are whole seconds."""
    counts = sorted(random.choice(np.arange(1, gpus + 1), size=random.integers(1, min(3, gpus) + 1), replace=False))
    seconds = sorted(random.integers(1, 6, size=len(counts)), reverse=True)
    return [
        {"gpu_type": "v", "gpus": int(g), "nodes": 1, "throughput": work / int(s)}
        for g, s in zip(counts, seconds, strict=True)
    ]


def small(seed: int, objective: str) -> tuple[Instance, Horizon, dict[str, float]]:
    """Return an instance of two to four jobs on two to four GPUs, its horizon, and what there is of each resource."""
    random = np.random.default_rng(seed)
    gpus = int(random.integers(2, 5))
    jobs = []
    for k in range(int(random.integers(2, 5))):
        arrival = int(random.integers(0, 4)) if random.random() < 0.4 else 0
        more: dict[str, Any] = {}
        if random.random() < 0.8:
            more["deadline_s"] = arrival + int(random.integers(2, 8))
            more["required"] = bool(random.random() < 0.2)
        listed = configurations(random, gpus, 60)
        if random.random() < 0.2 and arrival == 0:
            held = listed[int(random.integers(len(listed)))]
            more |= {"holds": {"gpu_type": "v", "gpus": held["gpus"], "nodes": 1}, "restart_s": 1.0}
        jobs.append(
            job(
                f"j{k}",
                configurations=listed,
                remaining_examples=60.0,
                arrival_s=float(arrival),
                weight=float(random.choice([0.5, 1.0, 2.0])),
                **more,
            )
        )
    if random.random() < 0.3:  # equal jobs
        jobs[1] = {**jobs[0], "id": "j1"}
    reserved, shared = [], []
    if random.random() < 0.3:
        start = int(random.integers(0, 4))
        reserved = [Reservation(resource="v@main", amount=1.0, start_s=start, end_s=start + int(random.integers(1, 5)))]
    capacity = {"v@main": float(gpus)}
    if random.random() < 0.3:
        shared = [Shared(name="net", capacity=2.5, demands=(Demand(per_gpu=0.5), Demand(job="j0", fixed=1.0)))]
        capacity["net"] = 2.5
    horizon = Horizon(objective=objective, horizon_s=LENGTH, reservations=tuple(reserved), resources=tuple(shared))
    return instance(*jobs, cluster=cluster(gpus)), horizon, capacity
