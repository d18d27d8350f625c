"""Problems made of arrays alone: values and uses drawn freely, without clusters, curves and jobs behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from optsched._util.arrays import offsets
from optsched.instance import Cluster, GpuType, Holding, Instance, Job, ObjectiveSpec, ServerGroup
from optsched.instance.objectives import objective
from optsched.problem.configurations import ConfigurationColumns, Configurations
from optsched.problem.problem import Problem

__all__ = ["Row", "problem_of", "problems"]


@dataclass(frozen=True)
class Row:
    """A way to run a job: its value, what it takes of each resource, and whether the job holds it now."""

    value: float
    takes: tuple[float, ...]
    kept: bool = False


def problem_of(
    jobs: list[list[Row]], capacity: list[float], required: list[int] | None = None, max_moves: int | None = None
) -> Problem:
    """Return the problem of jobs as lists of rows; a job holds something if one of its rows is kept."""
    rows = [row for own in jobs for row in own]
    size = np.array([len(own) for own in jobs], dtype=np.int64)
    taken = np.array([row.takes for row in rows], dtype=np.float64).reshape(len(rows), len(capacity))
    used = np.nonzero(taken)
    count = len(rows)
    whole, real = np.ones(count, dtype=np.int64), np.ones(count)
    job = np.repeat(np.arange(len(jobs)), size)
    held = [Holding(gpu_type="v", gpus=1) if any(row.kept for row in own) else None for own in jobs]
    must = np.isin(np.arange(len(jobs)), required or [])
    table = Configurations(
        job=job,
        columns=ConfigurationColumns(
            whole - 1, whole, whole, whole - 1, real, whole, real, real, np.full_like(real, np.nan)
        ),
        kept=np.array([row.kept for row in rows], dtype=bool),
        share=real,
        slowest=np.full_like(real, np.nan),
        first=offsets(size),
        reference=np.ones(len(jobs)),
        pools=(),
        used=(used[0], used[1], taken[used]),
        capacity=np.array(capacity, dtype=np.float64),
        resource_names=tuple(f"r{k}" for k in range(len(capacity))),
        reasons={},
    )
    instance = Instance(
        format="optsched/1",
        cluster=Cluster(gpu_types=(GpuType(id="v"),), servers=(ServerGroup(id="s", gpu_type="v", gpus=1),)),
        jobs=tuple(Job(id=f"j{k}", holds=h, required=bool(must[k])) for k, h in enumerate(held)),
        max_moves=max_moves,
    )
    return Problem(
        instance=instance,
        objective=objective(ObjectiveSpec(name="progress")),
        configurations=table,
        error=0.0,
        value=np.array([row.value for row in rows], dtype=np.float64),
        weight=np.ones(len(jobs)),
        required=must,
    )


@st.composite
def problems(draw: st.DrawFn, *, most_jobs: int = 7) -> Problem:
    """Draw a small problem: one or several resources a row, ties, zero values and capacities, equal jobs, moves."""
    resources = draw(st.integers(1, 4))
    several = draw(st.booleans())
    amounts = st.sampled_from([1.0, 1.0, 2.0, 3.0, 4.0, 0.5, 2.7] if several else [1.0, 2.0, 3.0, 4.0, 8.0])
    values = st.one_of(st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.0]), st.floats(0.01, 20.0))
    holding = draw(st.booleans())

    def row(kept: bool) -> Row:
        used = st.integers(0, resources - 1)
        chosen = draw(st.lists(used, max_size=resources, unique=True) if several else st.lists(used, max_size=1))
        takes = tuple(draw(amounts) if r in chosen else 0.0 for r in range(resources))
        return Row(draw(values), takes, kept)

    jobs: list[list[Row]] = []
    for _ in range(draw(st.integers(0, most_jobs))):
        if jobs and draw(st.integers(0, 2)) == 0:
            jobs.append(draw(st.sampled_from(jobs)))
            continue
        size = draw(st.integers(0, 5))
        kept = draw(st.integers(0, 2 * size)) if holding else size
        jobs.append([row(k == kept) for k in range(size)])
    capacity = [draw(st.sampled_from([0.0, 1.0, 3.0, 5.0, 7.3, 12.0, np.inf])) for _ in range(resources)]
    required = [k for k in range(len(jobs)) if draw(st.integers(0, 5)) == 0]
    held = sum(any(r.kept for r in own) for own in jobs)
    max_moves = draw(st.integers(0, held)) if held and draw(st.booleans()) else None
    return problem_of(jobs, capacity, required, max_moves)
