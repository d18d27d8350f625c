"""Tables of systems and their minutes to quality, read and checked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.scaling_series.fitted import Measured, System
from optsched.prediction.scaling_series.systems import accelerator_of, accelerators_of, machine_of
from optsched.prediction.tables import TextTable, read_text_table

__all__ = ["NOT_VERIFIED", "is_series_table", "read_series", "read_systems"]

NOT_VERIFIED = "not verified by MLCommons: predictions, and what is derived from MLPerf results, are not MLPerf results"
"""What must be said of numbers that are derived from MLPerf results (the rules of the MLPerf name)."""


def is_series_table(columns: Collection[str]) -> bool:
    """Tell whether a table's columns are those of systems that train a benchmark to a quality."""
    there = set(columns)
    return {"benchmark", "global_batch"} <= there and bool({"platform", "accelerators"} & there)


def read_systems(path: Path | str) -> tuple[TextTable, tuple[System, ...]]:
    """Read systems, one a row; return the table as it stands, and what it says.

    Columns: ``benchmark, global_batch``, and ``accelerators`` or ``platform`` (nodes x kind, e.g. ``8xXE9712x4GB200``).
    Optional: ``system, submitter, round``, which tell machines and releases apart.

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    table = read_text_table(path, ["benchmark", "global_batch"])
    if "accelerators" not in table:
        table.require(["platform"])
    n = len(table)
    empty = [""] * n
    benchmark = table.names("benchmark")
    batches = table.numbers("global_batch")
    system, submitter, platform, number = (
        table.columns.get(name, empty) for name in ("system", "submitter", "platform", "round")
    )
    told = table.whole("accelerators", gaps=True) if "accelerators" in table else np.full(n, np.nan)
    found = []
    for k in range(n):
        count = int(told[k]) if np.isfinite(told[k]) else accelerators_of(system[k], platform[k])
        machine = machine_of(submitter[k], system[k] or platform[k].partition("x")[2] or platform[k])
        found.append(
            System(
                benchmark=benchmark[k],
                accelerators=max(count, 1),
                global_batch=float(batches[k]),
                submitter=submitter[k],
                round=number[k],
                accelerator=accelerator_of(system[k], platform[k]),
                machine=machine,
            )
        )
    return table, tuple(found)


def read_series(path: Path | str) -> tuple[Measured, ...]:
    """Read measured systems: the columns of ``read_systems``, and ``minutes_to_quality``; optional ``throughput``.

    Raises
    ------
    InputError
        With the line and the column of what is wrong.
    """
    table, systems = read_systems(path)
    table.require(["minutes_to_quality"])
    minutes = table.numbers("minutes_to_quality")
    rates: FloatArray = np.full(len(table), np.nan)
    if "throughput" in table:
        rates = table.numbers("throughput", gaps=True)
    return tuple(
        Measured(system=system, minutes=float(m), throughput=float(r) if np.isfinite(r) else None)
        for system, m, r in zip(systems, minutes, rates, strict=True)
    )
