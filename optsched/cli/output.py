"""What commands write: lines, JSON for programs, what a checker found, and files."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from optsched._util.text import visible
from optsched.errors import InputError

if TYPE_CHECKING:
    from optsched.checker import Report

__all__ = [
    "from_options",
    "print_checked",
    "print_json",
    "print_no_plan",
    "print_table",
    "say",
    "say_broken",
    "stream_for_people",
    "use_standard_output",
    "writable",
]

T = TypeVar("T")
_RAW = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that JSON leaves as they are, and that terminals or people may take for something else."""


_taken: list[bool] = []
"""Whether a file goes to standard output (``--out -``), so that lines for people go to standard error."""


def use_standard_output() -> None:
    """Let lines for people go to standard output, unless :func:`writable` is told that a file goes there."""
    _taken.clear()


def stream_for_people() -> TextIO:
    """Return where lines for people go: standard output, or standard error where a file takes that."""
    return sys.stderr if _taken else sys.stdout


def say(line: str, *, error: bool = False) -> None:
    """Print one line for people; what it holds of ids is shown, and never sent to the terminal as a control code."""
    if error:
        with contextlib.suppress(OSError):  # there is no way left to report it
            print(visible(line), file=sys.stderr, flush=True)
    else:
        print(visible(line), file=stream_for_people())


def say_broken() -> None:
    """Name the formulations of other packages that are broken, on standard error."""
    from optsched.problem.formulation import FORMULATIONS

    for label, reason in FORMULATIONS.broken.items():
        say(f"note: the plug-in {label} is left out: {reason}", error=True)


def print_json(record: object) -> None:
    """Print a record as JSON."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(record), indent=1).decode()
    sys.stdout.write(_RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def print_table(table: bytes, out: Path | None) -> None:
    """Write a table to a file, or to standard output; on a terminal its control characters are visible."""
    from optsched._util.files import write_bytes

    if out is not None:
        write_bytes(out, table)
    elif sys.stdout.isatty():
        for line in table.decode().split("\n")[:-1]:
            say(line)
    else:
        sys.stdout.write(table.decode())


def print_no_plan(reason: str, as_json: bool) -> None:
    """Say why there is no plan, for people or as JSON."""
    if as_json:
        print_json({"plan": None, "reason": reason})
    else:
        say(f"no plan: {reason}")


def print_checked(report: Report, true: str, *, same_instance: bool, as_json: bool) -> int:
    """Print what a checker found, and return the exit code.

    Parameters
    ----------
    true
        What to say of a plan that breaks no rule.
    same_instance
        Whether the plan was made for this very instance.
    """
    if as_json:
        rules = [{"rule": v.rule, "who": v.who, "how": v.how} for v in report.violations]
        print_json({"ok": report.ok, "value": report.value, "same_instance": same_instance, "violations": rules})
        return 0 if report.ok else 1
    for violation in report.violations:
        say(str(violation))
    if not same_instance:
        say("note: the plan was made for another instance, or for an earlier version of this one", error=True)
    if report.ok:
        say(f"feasible; {true} = {report.value:.6g}, as claimed")
    return 0 if report.ok else 1


def from_options(given: dict[str, Any], kind: type[T]) -> T:
    """Return a record of options by the names of its fields; raise InputError that names the option."""
    from optsched._util.files import convert

    try:
        return convert(given, kind)
    except InputError as error:
        option = error.path.replace("$.", "--").replace("_", "-")
        raise InputError(error.expected, path=option, value=error.value) from None


def writable(path: Path | None, *read: Path | None) -> None:
    """Refuse an output that cannot be written, or that would replace what is read, before any work is done for it."""
    if path is None:
        return
    if str(path) == "-":
        _taken.append(True)
        return
    if (path.is_file() or not path.exists()) and path.resolve() in {file.resolve() for file in read if file}:
        raise InputError("a file of its own, which nothing else is read from or written to", file=str(path))
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        reason = "it is a folder" if path.is_dir() else "its folder does not exist or cannot be written to"
        raise InputError(f"a place to write to ({reason})", file=str(path))
