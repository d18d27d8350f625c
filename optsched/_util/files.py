"""Reading and writing files: clear errors, and nothing half-written."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
from msgspec import inspect

from optsched._util.json_keys import doubled_key
from optsched._util.renamed_keys import Renamed, flat, inner
from optsched.errors import InputError, OutputError, shown

__all__ = ["FULL", "convert", "decode", "parse", "read", "read_bytes", "write_bytes", "write_json"]

T = TypeVar("T")
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of a device that takes no more, whatever is written to it."""


def read_bytes(path: Path | str) -> bytes:
    """Return a file's content, or that of standard input for ``-``; raise InputError where it cannot be read."""
    try:
        if str(path) == "-":
            return _content(sys.stdin.buffer)
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"a readable file ({error.strerror})", file=str(path)) from None


@lru_cache(maxsize=1)
def _content(stream: BinaryIO) -> bytes:
    """Return what a stream holds; it can be read once only, and a file is often looked at before it is read."""
    return stream.read()


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary file in the same folder, then rename.

    ``-`` is standard output. A link is followed; what is no ordinary file (a pipe, a device) is written to as it is.

    Raises
    ------
    InputError
        For a place that cannot be written to.
    OutputError
        Where no space is left.
    """
    target = Path(path)
    temporary = ""
    if str(path) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        if target.exists() and not target.is_file():  # before its links are followed: /dev/stdout leads to no name
            with target.open("wb") as stream:
                stream.write(content)
            return
        target = target.resolve()
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # as open() would have made it; mkstemp makes it private
        Path(temporary).replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
        if error.errno in FULL:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from None
        raise InputError(f"a place to write to ({error.strerror})", file=str(path)) from None


def write_json(path: Path | str, record: object) -> None:
    """Write a record as JSON that people can read."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def decode(content: bytes, kind: type[T], file: str = "") -> T:
    """Decode JSON into a typed record; a byte order mark of UTF-8 is skipped.

    Raises
    ------
    InputError
        With the file, the path, the value that stands there and what was expected. A key that an object has twice is
        refused, with its lines.
    """
    return _decoded(content, kind, file)[0]


def _decoded(content: bytes, kind: type[T], file: str) -> tuple[T, Renamed | None]:
    """Decode JSON into a typed record; also return which keys of it have a former name, None for none."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("text in UTF-8", value="UTF-16", file=file)
    renamed = None
    try:
        record = msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        record, renamed = _with_former_keys(_loaded(content), error, kind, file)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"JSON ({_place(content, str(error))})", file=file) from None
    if doubled := doubled_key(content):
        raise doubled.within(file=file)
    return record, renamed


def _with_former_keys(value: Any, error: msgspec.ValidationError, kind: type[T], file: str = "") -> tuple[T, Renamed]:
    """Convert what could not be read, with former keys under their present names; raise InputError for other faults."""
    renamed = Renamed(value, kind)
    if not renamed.former:
        raise _located(value, error, file, kind) from None
    try:
        return msgspec.convert(renamed.value, kind), renamed
    except msgspec.ValidationError as other:
        raise renamed.restored(_located(renamed.value, other, file, kind)) from None


def parse(content: bytes | str, kind: type[T], file: str = "", check: Callable[[T], object] = lambda record: None) -> T:
    """Decode JSON into a typed record and check it; ``file`` is the name for the errors of both."""
    record, renamed = _decoded(content.encode() if isinstance(content, str) else content, kind, file)
    try:
        check(record)
    except InputError as error:
        raise (error if renamed is None else renamed.restored(error)).within(file=file) from None
    return record


def read(path: Path | str, kind: type[T], check: Callable[[T], object] = lambda record: None) -> T:
    """Read a typed record from a JSON file, or from standard input for ``-``: the counterpart of :func:`write_json`.

    Raises
    ------
    InputError
        For a file that cannot be read, and as :func:`decode` and ``check`` do, with the file's name.
    """
    return parse(read_bytes(path), kind, str(path), check)


def convert(value: object, kind: type[T]) -> T:
    """Convert what a program gave into a typed record; raise InputError as :func:`decode` does."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return _with_former_keys(value, error, kind)[0]


def _place(content: bytes, message: str) -> str:
    """Turn msgspec's byte offset into a line and a column, as editors count."""
    match = re.search(r"\(byte (\d+)\)", message)
    if match is None:
        return message[0].lower() + message[1:]
    before = content[: int(match[1])]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return f"{message[: match.start()].strip()}, line {line}, column {column}"


_UNREADABLE = object()


def _loaded(content: bytes) -> object:
    """Return what JSON holds. Where msgspec stopped at a fault, what comes behind it may be no JSON at all."""
    try:
        return json.loads(content, parse_float=_finite)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _located(value: Any, error: msgspec.ValidationError, file: str, kind: object) -> InputError:
    """Rewrite msgspec's message: name the keys that it leaves out, the value, and what it may be."""
    message, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    if value is _UNREADABLE:
        return InputError(_phrase(message)[0], path=path, file=file)
    types = [inspect.type_info(kind)]
    named = "$"
    for step in re.findall(r"\[\.\.\.\]|\[\d+\]|\.[^.\[]+", path):
        below = [part for outer in types for part in inner(outer, step, value)]
        if step == "[...]" and isinstance(value, dict):
            key = next((k for k, v in value.items() if not _fits(v, below)), None)
            if key is None:
                break
            named, value = f'{named}["{key}"]', value[key]
        elif step.startswith("[") and isinstance(value, list | tuple):
            named, value = named + step, value[int(step[1:-1])]
        elif isinstance(value, dict) and step[1:] in value:
            named, value = named + step, value[step[1:]]
        else:
            break
        types = below
    if message.startswith("Invalid"):
        message = f"Expected one of {_choices(types)}"
    expected, absent = _phrase(message)
    return InputError(expected, path=named, value="" if absent else shown(value), file=file)


def _finite(number: str) -> float | str:
    """Return a number, or its text where it exceeds a double, which no number field then takes."""
    return float(number) if math.isfinite(float(number)) else number


_PLAIN: dict[type[inspect.Type], type | tuple[type, ...]] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: (int, float),
}


def _fits(value: object, types: list[inspect.Type]) -> bool:
    """Tell whether a value of a dictionary is of one of the types."""

    def converts(kind: inspect.Type) -> bool:
        if isinstance(kind, inspect.StructType):
            if kind.tag_field and isinstance(value, dict) and value.get(kind.tag_field) != kind.tag:
                return False
            with contextlib.suppress(msgspec.ValidationError):
                msgspec.convert(value, kind.cls)
                return True
            return False
        plain = _PLAIN.get(type(kind))
        if plain is None or not isinstance(value, plain) or isinstance(value, bool):
            return plain is None
        least = getattr(kind, "ge", None)
        short = isinstance(value, str) and len(value) < (getattr(kind, "min_length", None) or 0)
        return not short and (least is None or float(str(value)) >= least)

    return any(converts(member) for kind in types for member in flat(kind))


def _choices(types: list[inspect.Type]) -> str:
    """Return the values that a literal or a tag can have."""
    values = [v for kind in types for t in flat(kind) if isinstance(t, inspect.LiteralType) for v in t.values]
    numbers = any(isinstance(t, inspect.FloatType | inspect.IntType) for kind in types for t in flat(kind))
    return ", ".join([*["a number"] * numbers, *map(repr, values)]) or "the known values"


_PHRASES: tuple[tuple[str, Callable[[re.Match[str]], str], bool], ...] = (
    (r"Expected (.*), got .*", lambda m: m[1], False),
    (r"Expected (.*)", lambda m: m[1], False),
    (r"Number out of range", lambda m: "a number within the range of a double", False),
    (r"Object missing required field `(.*)`", lambda m: f"the key {m[1]!r}, which is missing", True),
    (r"Object contains unknown field `(.*)`", lambda m: f"no key {m[1]!r}: it is unknown here", True),
)


def _phrase(message: str) -> tuple[str, bool]:
    """Return what was expected, and whether the value would say nothing more."""
    for pattern, phrase, absent in _PHRASES:
        if match := re.fullmatch(pattern, message):
            return phrase(match).replace("`", ""), absent
    return message, False
