"""Simulations as files: a table of all jobs, and a trace for Perfetto or Chrome."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from optsched._util.files import write_bytes
from optsched.simulate.outcome import Outcome, finish_time_fairness

__all__ = ["write_jobs", "write_trace"]

_COLUMNS = (
    "workload", "policy", "seed", "job", "application", "queue", "arrival_s", "first_start_s", "finish_s",
    "completion_s", "queueing_s", "finish_time_fairness", "restarts", "gpu_s", "gpu_s_lost", "deadline_s",
)  # fmt: skip


def write_jobs(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write one line for each job of each simulation; numbers that do not exist are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for outcome in outcomes:
        tables, rho = outcome.tables, finish_time_fairness(outcome)
        for j, job in enumerate(tables.jobs):
            numbers = (
                tables.arrival[j], outcome.first_start[j], outcome.finish[j], outcome.completion[j],
                outcome.first_start[j] - tables.arrival[j], rho[j], max(0, int(outcome.starts[j]) - 1),
                outcome.attained[j], outcome.lost[j], tables.deadline[j],
            )  # fmt: skip
            writer.writerow(
                [
                    tables.workload.name, outcome.policy, outcome.seed, job.id, job.application, job.queue,
                    *(f"{number:.9g}" if np.isfinite(number) else "" for number in numbers),
                ]
            )  # fmt: skip
    write_bytes(path, text.getvalue().encode())


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
