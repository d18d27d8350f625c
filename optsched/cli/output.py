"""What commands write: JSON for programs, and files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from optsched.errors import InputError
from optsched.files import convert

__all__ = ["from_options", "print_json", "print_no_plan", "writable"]

T = TypeVar("T")


def print_json(record: object) -> None:
    """Print a record as JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n")


def from_options(given: dict[str, Any], kind: type[T]) -> T:
    """Return a record of options by the names of its fields; raise InputError that names the option."""
    try:
        return convert(given, kind)
    except InputError as error:
        option = error.path.replace("$.", "--").replace("_", "-")
        raise InputError(error.expected, path=option, value=error.value) from None


def print_no_plan(reason: str, as_json: bool) -> None:
    """Say why there is no plan, for people or as JSON."""
    if as_json:
        print_json({"plan": None, "reason": reason})
    else:
        print(f"no plan: {reason}")


def writable(path: Path | None, *read: Path | None) -> None:
    """Refuse an output that cannot be written, or that would replace what is read, before any work is done for it."""
    if path is None:
        return
    if (path.is_file() or not path.exists()) and path.resolve() in {file.resolve() for file in read if file}:
        raise InputError("a file of its own, which nothing else is read from or written to", file=str(path))
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        reason = "it is a folder" if path.is_dir() else "its folder does not exist or cannot be written to"
        raise InputError(f"a place to write to ({reason})", file=str(path))
