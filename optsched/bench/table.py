"""The tidy table of runs: one row a run, one schema for CSV, Parquet and JSON lines, and a journal behind it.

The table itself is only ever written whole. Runs are appended to a journal in its folder, each synced to the
disk, so that whatever happens no finished run is lost, and no half-written row is read.
"""

from __future__ import annotations

import io
import json
import os
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from optsched._util.files import read_bytes, write_bytes
from optsched._util.tables import csv_bytes, from_cells
from optsched.bench.machine import locked
from optsched.errors import InputError, shown
from optsched.instance.result import Trace

__all__ = ["SUFFIXES", "Journal", "Row", "read_rows", "write_rows"]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run. Numbers are None where there are none; all times are in seconds.

    key
        Hash of all that the outcome depends on.
    instance, fingerprint, jobs ... configurations
        What was solved, and its features (see :class:`optsched.bench.features.Features`).
    sense
        ``most`` or ``least``: what is better of the objective.
    formulation, encoding, without, backend
        The method that was asked for; ``solved_by``: what the result calls the last stage, where it chose by itself.
    outcome
        ``done``: there is a result; ``unsupported``: the method does not take the instance, for ``reason``; ``failed``:
        an exception that is no answer, or a process that died.
    claimed_*
        What the result says of itself.
    disbelieved
        Claims of the method's solver that the search itself refuted or dropped, e.g. a bound below a plan that is
        known: they are false, although the result does not repeat them.
    verified_*
        What the checker finds when it is run once more, here: ``feasible``, ``violated`` (``violations`` says why), or
        ``none`` where there is no plan; the objective by the true curves; and the gap from there to the claimed bound.
    build_s, solve_s
        As the result says; total_s: by the clock of the benchmark, from the call to its return.
    first_s
        Until the search reported its first feasible plan.
    peak_mb
        Most memory of the process and its solvers, each at its own peak.
    trace
        How value and bound went on over time, by the search's own word.
    optsched
        Version, and a hash of the sources.
    """

    key: str
    instance: str
    fingerprint: str
    jobs: int
    gpus: int
    gpu_types: int
    sites: int
    servers: int
    links: int
    decides: str
    configurations: int | None = None
    objective: str
    sense: str
    formulation: str
    encoding: str
    without: str
    backend: str
    seed: int
    threads: int
    time_limit: float | None = None
    gap: float
    memory_gb: float | None = None
    outcome: str
    reason: str = ""
    claimed_status: str = ""
    stopped: str = ""
    claimed_objective: float | None = None
    claimed_bound: float | None = None
    claimed_gap: float | None = None
    disbelieved: str = ""
    verified_status: str = ""
    verified_objective: float | None = None
    verified_gap: float | None = None
    violations: str = ""
    build_s: float | None = None
    solve_s: float | None = None
    total_s: float | None = None
    first_s: float | None = None
    peak_mb: float | None = None
    solved_by: str = ""
    hash: str = ""
    notes: str = ""
    optsched: str = ""
    python: str = ""
    highspy: str = ""
    ortools: str = ""
    pyomo: str = ""
    numpy: str = ""
    cpu: str = ""
    cores: int = 0
    ram_gb: float | None = None
    system: str = ""
    timestamp: str = ""
    trace: Trace = ()


def _column(kind: Any) -> type[pl.DataType]:
    """Return the type of a column; the trace stands there as JSON."""
    plain = [k for k in typing.get_args(kind) if k is not type(None)] if isinstance(kind, types.UnionType) else [kind]
    columns: dict[Any, type[pl.DataType]] = {int: pl.Int64, float: pl.Float64}
    return columns.get(plain[0], pl.String)


SCHEMA = {name: _column(kind) for name, kind in typing.get_type_hints(Row).items()}


def _frame(rows: Sequence[Row]) -> pl.DataFrame:
    records = [{**msgspec.structs.asdict(row), "trace": json.dumps(row.trace)} for row in rows]
    return pl.DataFrame(records, schema=SCHEMA)


def _to_csv(rows: Sequence[Row]) -> bytes:
    return csv_bytes(_frame(rows))


def _to_parquet(rows: Sequence[Row]) -> bytes:
    buffer = io.BytesIO()
    _frame(rows).write_parquet(buffer)
    return buffer.getvalue()


def _to_lines(rows: Sequence[Row]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


_WRITE = {".csv": _to_csv, ".parquet": _to_parquet, ".jsonl": _to_lines}
SUFFIXES = tuple(_WRITE)


def _suffix(path: Path) -> str:
    if path.suffix not in _WRITE:
        raise InputError(f"a name that ends in {', '.join(SUFFIXES)}", file=str(path), value=shown(path.suffix))
    return path.suffix


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table whole, or not at all; its name says in which format."""
    write_bytes(path, _WRITE[_suffix(path)](rows))


def read_rows(path: Path) -> list[Row]:
    """Read a table, and what its journal holds beyond it; raise InputError where it is none."""
    suffix, journal = _suffix(path), _journal(path)
    if not path.exists() and journal.exists():
        return _lines(read_bytes(journal), journal)
    content = read_bytes(path)
    rows = _lines(content, path) if suffix == ".jsonl" else _records(_frame_of(content, suffix, path), path)
    if not journal.exists():
        return rows
    known = {row.key for row in rows}
    return rows + [row for row in _lines(read_bytes(journal), journal) if row.key not in known]


def _frame_of(content: bytes, suffix: str, path: Path) -> pl.DataFrame:
    try:
        if suffix == ".csv":
            frame = from_cells(pl.read_csv(content, schema_overrides=SCHEMA))
        else:
            frame = pl.read_parquet(content)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise InputError(f"a table of runs ({str(error).splitlines()[0]})", file=str(path)) from None
    if missing := [name for name in SCHEMA if name not in frame.columns and name != "disbelieved"]:
        raise InputError(
            "a table of runs, as `optsched bench run` writes it", path=f"column {missing[0]}", file=str(path)
        )
    return frame


def _records(frame: pl.DataFrame, path: Path) -> list[Row]:
    found = []
    for number, record in enumerate(frame.iter_rows(named=True), start=2):
        there = {name: value for name, value in record.items() if value is not None}
        try:
            there["trace"] = json.loads(there.get("trace") or "[]")
            found.append(msgspec.convert({**_EMPTY, **there}, Row))
        except (msgspec.ValidationError, ValueError) as error:
            raise InputError(f"a run ({error})", path=f"line {number}", file=str(path)) from None
    return found


_EMPTY = {name: "" for name, kind in SCHEMA.items() if kind is pl.String and name != "trace"}
"""Empty words, which a table shows like missing ones."""


def _lines(content: bytes, path: Path) -> list[Row]:
    """Read JSON lines; a last one without an end was torn off by whatever ended its writer, and does not count."""
    rows = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            rows.append(msgspec.json.decode(line, type=Row))
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise InputError(f"a run ({error})", path=f"line {number}", file=str(path)) from None
    return rows


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")


class Journal:
    """The runs of a table that is being made: what is there already, and a durable place for what comes.

    Use it as a context. Leaving it, in whatever way, writes the table whole and takes the journal away.

    Raises
    ------
    InputError
        If somebody else is at the same table, or what stands there is none.
    """

    def __init__(self, path: Path) -> None:
        _suffix(path)
        self._path = path
        self.rows: list[Row] = []

    def __enter__(self) -> Journal:
        place = _journal(self._path)
        try:
            self._file = place.open("ab")
        except OSError as error:
            raise InputError(f"a place to write to ({error.strerror})", file=str(place)) from None
        if not locked(self._file):
            self._file.close()
            raise InputError("a table that no other benchmark is writing", file=str(self._path))
        try:
            self.rows = read_rows(self._path)
            content = read_bytes(place)
            self._file.truncate(content.rfind(b"\n") + 1)
        except BaseException:
            self._file.close()
            if not place.stat().st_size:
                place.unlink()
            raise
        return self

    def append(self, row: Row) -> None:
        """Take a finished run up; it is on the disk when this returns."""
        self._file.write(msgspec.json.encode(row) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows.append(row)

    def __exit__(self, *_: object) -> None:
        try:
            write_rows(self._path, self.rows)
            _journal(self._path).unlink()
        finally:
            self._file.close()
