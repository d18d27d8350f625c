"""Simulations as files: a table of all jobs, and a trace for Perfetto or Chrome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from optsched._util.files import write_bytes
from optsched._util.tables import csv_bytes
from optsched.simulate.outcome import Outcome, finish_time_fairness

if TYPE_CHECKING:
    import polars as pl

__all__ = ["jobs_table", "write_jobs", "write_trace"]


def write_jobs(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write one line for each job of each simulation; numbers that do not exist are empty."""
    write_bytes(path, csv_bytes(jobs_table(outcomes)))


def jobs_table(outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """Return one line for each job of each simulation; numbers that do not exist are null."""
    import polars as pl

    frames = []
    for outcome in outcomes:
        tables, n = outcome.tables, len(outcome.tables)
        columns: dict[str, Any] = {
            "workload": [tables.workload.name] * n,
            "policy": [outcome.policy] * n,
            "seed": [outcome.seed] * n,
            "job": [job.id for job in tables.jobs],
            "application": [job.application for job in tables.jobs],
            "queue": [job.queue for job in tables.jobs],
        }
        numbers = {
            "arrival_s": tables.arrival,
            "first_start_s": outcome.first_start,
            "finish_s": outcome.finish,
            "completion_s": outcome.completion,
            "queueing_s": outcome.first_start - tables.arrival,
            "finish_time_fairness": finish_time_fairness(outcome),
            "restarts": np.maximum(0, outcome.starts - 1),
            "gpu_s": outcome.attained,
            "gpu_s_lost": outcome.lost,
            "deadline_s": tables.deadline,
        }
        columns |= {k: [x if np.isfinite(x) else None for x in v.tolist()] for k, v in numbers.items()}
        whole = {"seed": pl.Int64, "restarts": pl.Int64} | dict.fromkeys(list(numbers)[:6], pl.Float64)
        frames.append(pl.DataFrame(columns, schema_overrides=whole | {"deadline_s": pl.Float64}))
    return pl.concat(frames)


def write_trace(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write Chrome's trace event format: a process for each simulation and GPU type, a thread for each first GPU.

    Complete events ("X") for restarts and for runs, in microseconds; a counter ("C") of the GPUs in use.
    """
    events: list[dict[str, Any]] = []
    number = 0
    for outcome in outcomes:
        tables = outcome.tables
        for t, name in enumerate(tables.types):
            number += 1
            title = f"{tables.workload.name} {outcome.policy} seed {outcome.seed}: {name}"
            events.append({"name": "process_name", "ph": "M", "pid": number, "args": {"name": title}})
            used: dict[float, int] = {}
            for segment in outcome.segments:
                if tables.row_type[segment.row] != t:
                    continue
                job = tables.jobs[segment.job]
                begin, end = segment.begin, segment.end
                started = min(end, begin + float(outcome.restart[segment.job]))
                detail = {"job": job.id, "application": job.application, "gpus": segment.gpus}
                for title, first, last in (("restart", begin, started), (job.id, started, end)):
                    if last > first:
                        events.append(
                            {
                                "name": title, "cat": "restart" if title == "restart" else "run", "ph": "X",
                                "ts": round(1e6 * first), "dur": round(1e6 * (last - first)), "pid": number,
                                "tid": segment.first, "args": detail,
                            }
                        )  # fmt: skip
                used[begin] = used.get(begin, 0) + segment.gpus
                used[end] = used.get(end, 0) - segment.gpus
            now = 0
            for moment in sorted(used):
                now += used[moment]
                events.append(
                    {"name": "GPUs in use", "ph": "C", "ts": round(1e6 * moment), "pid": number, "args": {"GPUs": now}}
                )
    write_bytes(path, msgspec.json.encode({"traceEvents": events, "displayTimeUnit": "ms"}))
