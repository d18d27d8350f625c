"""The state of a served scheduler in a file: SQLite, so that a round is kept whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from optsched.errors import InputError, OutputError

__all__ = ["Store"]

MOST_ROUNDS = 100
"""Plans that are kept."""


class Store:
    """A scheduler, as JSON, and its last plans.

    What is committed survives the end of the process at any moment. A file serves one process at a time.

    Raises
    ------
    InputError
        Where the file is no such store, is in use, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
            for line in (
                "PRAGMA locking_mode = EXCLUSIVE",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = NORMAL",
                "CREATE TABLE IF NOT EXISTS scheduler (id INTEGER PRIMARY KEY CHECK (id = 1), content BLOB NOT NULL)",
                "CREATE TABLE IF NOT EXISTS rounds (version INTEGER PRIMARY KEY, plan BLOB NOT NULL)",
            ):
                self._file.execute(line)
        except sqlite3.Error as error:
            raise InputError(f"a file that optsched serve keeps its state in ({error})", file=str(path)) from None

    def scheduler(self) -> bytes | None:
        """Return the scheduler; None where none was kept yet."""
        found = self._file.execute("SELECT content FROM scheduler").fetchone()
        return None if found is None else bytes(found[0])

    def plan(self) -> bytes | None:
        """Return the last plan; None where there was none."""
        found = self._file.execute("SELECT plan FROM rounds ORDER BY version DESC LIMIT 1").fetchone()
        return None if found is None else bytes(found[0])

    def keep(self, scheduler: bytes, version: int, plan: object | None = None) -> None:
        """Keep a scheduler, and the plan that it made, if it made one.

        Raises
        ------
        OutputError
            Where it cannot be written; what was kept before still is.
        """
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("INSERT OR REPLACE INTO scheduler VALUES (1, ?)", (scheduler,))
            self._file.execute("DELETE FROM rounds WHERE version > ? OR version <= ?", (version, version - MOST_ROUNDS))
            if plan is not None:
                self._file.execute("INSERT OR REPLACE INTO rounds VALUES (?, ?)", (version, msgspec.json.encode(plan)))
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")
            raise OutputError(f"{self._path}: the state cannot be kept ({error})") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
