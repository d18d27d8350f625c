"""The largest system of each MLPerf series predicted from smaller ones, beside a line through logs.

A series is of one round, submitter, benchmark and kind of node, with three sizes or more. Its largest is hidden, with
all copies of that result in other rounds; the rest of the table is known, or the series' own smaller sizes alone.
Numbers are absolute percentage errors of the minutes to quality. The table is made of the results repositories of
MLPerf Training (MLCommons); what is derived here is not verified by MLCommons. It has the columns ``round, submitter,
system, benchmark, platform`` (nodes x kind)``, global_batch, minutes_to_quality, throughput``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import parser_of, show
from rich.table import Table

from optsched.prediction.curves.base import Z80
from optsched.prediction.scaling_series import NOT_VERIFIED, read_series
from optsched.prediction.scaling_series.fit import agreeing
from optsched.prediction.scaling_series.fitted import Measured
from optsched.prediction.scaling_series.process import predict_log_minutes
from optsched.prediction.tables import read_text_table


def series(path: Path) -> list[tuple[list[int], list[int]]]:
    """Return the rows of each series, its smaller sizes and its largest."""
    columns = read_text_table(path, ["round", "submitter", "benchmark", "platform"]).columns
    grouped: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    keys = zip(*(columns[name] for name in ("round", "submitter", "benchmark")), strict=True)
    for row, (key, platform) in enumerate(zip(keys, columns["platform"], strict=True)):
        nodes = re.match(r"(\d+)x(.*)", platform)
        size, kind = (int(nodes[1]), nodes[2]) if nodes else (1, platform)
        grouped[*key, kind].append((size, row))
    found = []
    for members in grouped.values():
        sizes = sorted({size for size, _ in members})
        if len(sizes) >= 3:
            small = [row for size, row in members if size < sizes[-1]]
            found.append((small, [row for size, row in members if size == sizes[-1]]))
    return found


def line(rows: Sequence[Measured], small: list[int], asked: list[int]) -> np.ndarray:
    """Return log minutes by the line through the logs of the two smallest sizes."""
    sizes = sorted({rows[k].system.accelerators for k in small})[:2]
    own = [k for k in small if rows[k].system.accelerators in sizes]
    log_n, log_m = (np.log([f(rows[k]) for k in own]) for f in (lambda r: r.system.accelerators, lambda r: r.minutes))
    slope, level = np.polyfit(log_n, log_m, 1) if len(sizes) > 1 else (-1.0, float(np.mean(log_m + log_n)))
    return np.asarray(level + slope * np.log([rows[k].system.accelerators for k in asked]))


def main() -> None:
    """Run the comparison and print it."""
    parser = parser_of(__doc__, quick="the first six series")
    parser.add_argument("--data", type=Path, required=True, help="folder with mlperf.csv")
    arguments = parser.parse_args()
    path = arguments.data / "mlperf.csv"
    rows = agreeing(read_series(path))
    cases = series(path)[: 6 if arguments.quick else None]
    errors: dict[str, list[float]] = defaultdict(list)
    inside: dict[str, list[bool]] = defaultdict(list)
    for small, largest in cases:
        results = {(rows[k].system.benchmark, rows[k].system.machine, rows[k].minutes) for k in largest}
        rest = [r for r in rows if (r.system.benchmark, r.system.machine, r.minutes) not in results]
        truth = np.log([rows[k].minutes for k in largest])
        for name, known in (("all other systems known", rest), ("the series alone", [rows[k] for k in small])):
            mean, deviation = predict_log_minutes(known, [rows[k].system for k in largest])
            errors[name].append(float(np.mean(np.abs(np.expm1(mean - truth)))))
            inside[name] += (np.abs(mean - truth) < Z80 * deviation).tolist()
        errors["log-log line, two smallest"].append(
            float(np.mean(np.abs(np.expm1(line(rows, small, largest) - truth))))
        )
    table = Table("known", "median %", "mean %", "inside its 80 % interval")
    for name, found in errors.items():
        held = f"{100 * np.mean(inside[name]):.0f} %" if name in inside else ""
        table.add_row(name, f"{100 * np.median(found):.1f}", f"{100 * np.mean(found):.1f}", held)
    show(f"{len(cases)} series; {NOT_VERIFIED}", table)


if __name__ == "__main__":
    main()
