"""Sweeps as tables: policies compared with the first one, paired by workload and seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["paired", "summary"]


def paired(rows: Sequence[dict[str, Any]], policy: str, baseline: str, metric: str) -> tuple[float, float]:
    """Return the geometric mean of a metric over the baseline's, and its standard error, over workloads and seeds.

    The error is that of the mean of the paired log ratios, as a part of 1 (delta method); nan for a single pair.
    """
    value = {(row["policy"], row["workload"], row["seed"]): row[metric] for row in rows}
    logs = [
        np.log(number / value[baseline, workload, seed])
        for (name, workload, seed), number in value.items()
        if name == policy and (baseline, workload, seed) in value and number > 0 and value[baseline, workload, seed] > 0
    ]
    if not logs:
        return float("nan"), float("nan")
    mean = float(np.exp(np.mean(logs)))
    error = mean * float(np.std(logs, ddof=1) / np.sqrt(len(logs))) if len(logs) > 1 else float("nan")
    return mean, error


_SHOWN = (
    ("average_completion_s", "average s"),
    ("p50_completion_s", "p50 s"),
    ("p99_completion_s", "p99 s"),
    ("makespan_s", "makespan s"),
    ("average_queueing_s", "queueing s"),
    ("worst_finish_time_fairness", "worst FTF"),
    ("unfair_fraction", "unfair"),
    ("gpu_hours_lost", "lost GPU h"),
    ("restarts", "restarts"),
    ("utilization", "use"),
    ("deadline_misses", "missed"),
    ("decision_ms", "decision ms"),
)


def summary(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the lines of a table: means over seeds for each workload and policy, and paired ratios.

    The last column is the average completion time over that of the first policy, with its standard error.
    """
    header = ["workload", "policy", *(title for _, title in _SHOWN), "average / first"]
    lines = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        mine = [row for row in rows if row["workload"] == workload]
        policies = list(dict.fromkeys(row["policy"] for row in mine))
        for policy in policies:
            some = [row for row in mine if row["policy"] == policy]
            means = [float(np.mean([row[metric] for row in some])) for metric, _ in _SHOWN]
            ratio, error = paired(mine, policy, policies[0], "average_completion_s")
            text = f"{ratio:.3f}" + (f" ± {error:.3f}" if np.isfinite(error) else "")
            lines.append([workload, policy, *(f"{mean:.4g}" if mean < 1e4 else f"{mean:.0f}" for mean in means), text])
    return header, lines
