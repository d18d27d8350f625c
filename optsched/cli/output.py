"""What commands write: JSON for programs, and files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from optsched.errors import InputError

__all__ = ["print_json", "writable"]


def print_json(record: object) -> None:
    """Print a record as JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n")


def writable(path: Path | None) -> None:
    """Refuse an output that cannot be written before any work is done for it."""
    if path is not None and (path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK)):
        reason = "it is a folder" if path.is_dir() else "its folder does not exist or cannot be written to"
        raise InputError(f"a place to write to ({reason})", file=str(path))
