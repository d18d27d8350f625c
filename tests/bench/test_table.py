"""Tables survive what may happen to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from optsched.bench import read_rows, write_rows
from optsched.bench.table import SUFFIXES, Journal
from optsched.errors import InputError
from tests.support.bench_rows import row

ROWS = [
    row("a", trace=((0.5, None, 12.0), (1.0, 10.0, 10.0)), notes='x, "y"\nz', peak_mb=12.5),
    row("b", "k", outcome="unsupported", reason="no", total_s=None, trace=(), verified_objective=None, time_limit=None),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_there_and_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"runs{suffix}"
    write_rows(path, ROWS)
    assert read_rows(path) == ROWS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_writer_that_died_loses_nothing_that_was_finished(suffix: str, tmp_path: Path) -> None:
    path, journal = tmp_path / f"runs{suffix}", tmp_path / f"runs{suffix}.journal"
    write_rows(path, ROWS[:1])
    with Journal(path) as open_journal:
        open_journal.append(ROWS[1])
        content = journal.read_bytes()
    journal.write_bytes(content + content[:100])  # and it died while it wrote the next
    write_rows(path, ROWS[:1])
    assert read_rows(path) == ROWS
    with Journal(path) as again:
        assert again.rows == ROWS
        again.append(row("c"))
    assert read_rows(path) == [*ROWS, row("c")]
    assert not journal.exists()


def test_only_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    with Journal(path), pytest.raises(InputError, match="no other benchmark"), Journal(path):
        pass
    assert read_rows(path) == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("runs.txt", b"", "ends in"),
        ("runs.csv", b"a,b\n1,2\n", "column key"),
        ("runs.csv", b"", "a table of runs"),
        ("runs.parquet", b"none", "a table of runs"),
        ("runs.jsonl", b'{"key": 1}\n', "line 1"),
        ("gone.csv", None, "readable"),
    ],
)
def test_what_is_no_table(name: str, content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_rows(path)
    assert not (tmp_path / f"{name}.journal").exists()
