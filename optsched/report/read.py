"""Files of results: what each is, and the instance that belongs to it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from optsched._util.files import convert, read_bytes
from optsched.errors import InputError, shown
from optsched.instance import Instance, fingerprint, load
from optsched.instance.result import Result, load_result
from optsched.report.article import Article
from optsched.schedule.records import Schedule, load_schedule

__all__ = ["article_of", "find_instance", "read_article"]

_KINDS = (
    "a result (optsched-result/1), a schedule (optsched-schedule/1), or what simulate, bench run, federate, pareto, "
    "share, explain or advise write"
)
_MOST_FILES, _MOST_BYTES = 200, 64_000_000
"""Files in the folder of a result that are looked through for its instance, and the largest of them."""


def read_article(path: Path, instance: Path | None = None) -> Article:
    """Read one result of any kind, and tell of it.

    Parameters
    ----------
    instance
        Of plans and schedules; default: the file in its folder that has its fingerprint, if there is one.

    Raises
    ------
    InputError
        If the file is wrong, or nothing that is known here.
    """
    if path.suffix in (".parquet", ".jsonl"):
        return _runs(path)
    content = read_bytes(path)
    if path.suffix == ".csv" or content.lstrip()[:1] not in (b"{", b"["):
        return _table(path, content)
    try:
        record = json.loads(content)
    except ValueError as error:
        raise InputError(f"JSON ({error})", file=str(path)) from None
    kind = str(record.get("format", "")) if isinstance(record, dict) else ""
    try:
        if kind.startswith("optsched-result/"):
            result = load_result(path)
            return article_of(result, find_instance(result.instance, path, instance))
        if kind.startswith("optsched-schedule/"):
            schedule = load_schedule(path)
            return article_of(schedule, find_instance(schedule.instance, path, instance))
        if isinstance(record, dict) and isinstance(record.get("result"), dict):
            stamp = str(record["result"].get("instance", ""))
            return article_of(record, find_instance(stamp, path, instance))
        return article_of(record)
    except InputError as error:
        raise error if error.file else error.within(file=str(path)) from None


def article_of(
    record: Result | Schedule | dict[str, Any] | list[Any], instance: Instance | None = None, title: str = ""
) -> Article:
    """Return the article of a result of any kind; raise InputError where it is none."""
    if isinstance(record, Result):
        from optsched.report.plan import of_result

        return of_result(record, instance, title)
    if isinstance(record, Schedule):
        from optsched.report.schedule import of_schedule

        return of_schedule(record, instance, title)
    try:
        return _of_json(record, instance, title)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise InputError(f"{_KINDS} ({type(error).__name__}: {error})", path="$", value=shown(record)) from None


def _of_json(record: Any, instance: Instance | None, title: str) -> Article:
    if isinstance(record, list):
        if record and all(isinstance(row, dict) and "policy" in row for row in record):
            from optsched.report.simulation import of_rows

            return of_rows(record, title)
        raise InputError(_KINDS, path="$", value=shown(record))
    kind = str(record.get("format", ""))
    if kind.startswith("optsched-result/"):
        return article_of(convert(record, Result), instance, title)
    if kind.startswith("optsched-schedule/"):
        return article_of(convert(record, Schedule), instance, title)
    if kind.startswith("optsched-federation/"):
        from optsched.report.federation import of_federation

        return of_federation(record, title)
    if kind.startswith("optsched-pareto/"):
        from optsched.report.frontier import of_frontier

        return of_frontier(record, title)
    if "recommended" in record and "front" in record:
        from optsched.report.advice import of_advice

        return of_advice(record, title)
    if isinstance(record.get("result"), dict) and "what_if" in record:
        from optsched.report.plan import of_what_if

        return of_what_if(convert(record["result"], Result), record["what_if"], instance, title)
    if "policy" in record and "jobs" in record:
        from optsched.report.shares import of_shares

        return of_shares(record, title)
    if "explanations" in record:
        from optsched.report.shares import of_explanations

        return of_explanations(record["explanations"], title)
    raise InputError(_KINDS, path="$.format", value=shown(kind or sorted(record)))


def _runs(path: Path) -> Article:
    from optsched.bench.table import read_rows
    from optsched.report.benchmark import of_runs

    rows = read_rows(path)
    if not rows:
        raise InputError("a table with at least one run", file=str(path))
    return of_runs(rows)


def _table(path: Path, content: bytes) -> Article:
    """Return the article of a CSV: the jobs of simulations, or the runs of a benchmark."""
    head = content[:4096].decode("utf-8", "replace").partition("\n")[0]
    if not {"workload", "policy", "completion_s"} <= set(head.strip().split(",")):
        if "claimed_status" in head:
            return _runs(path)
        raise InputError(_KINDS, path="line 1", value=shown(head), file=str(path))
    import polars as pl

    from optsched.report.simulation import of_jobs

    numbers = dict.fromkeys(("completion_s", "queueing_s", "finish_s", "finish_time_fairness"), pl.Float64)
    texts = {"workload": pl.String, "policy": pl.String, "job": pl.String}
    try:
        table = pl.read_csv(io.BytesIO(content), schema_overrides={**numbers, **texts}, infer_schema_length=10_000)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise InputError(f"a table of jobs ({str(error).splitlines()[0]})", file=str(path)) from None
    from optsched._util.tables import from_cells

    return of_jobs(from_cells(table))


def find_instance(stamp: str, result: Path, given: Path | None) -> Instance | None:
    """Return the instance that is given, or that of the fingerprint ``stamp`` in the result's folder; or None."""
    if given is not None:
        return load(given)
    if str(result) == "-":
        return None
    others = [file for file in sorted(result.resolve().parent.glob("*.json")) if file != result.resolve()]
    for file in others[:_MOST_FILES]:
        try:
            if file.stat().st_size > _MOST_BYTES or b'"optsched/1"' not in file.read_bytes():
                continue
            found = load(file)
        except (InputError, OSError):
            continue
        if fingerprint(found) == stamp:
            return found
    return None
