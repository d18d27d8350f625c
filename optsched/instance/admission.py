"""The door: every public function takes an instance through here, whether a path or an object that a program built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from optsched._util.files import convert, parse, read
from optsched.errors import InputError, shown
from optsched.instance.hashing import fingerprint
from optsched.instance.records import Instance
from optsched.instance.validate import validate

__all__ = ["admit", "admit_all", "load", "loads", "trust"]

T = TypeVar("T", bound=msgspec.Struct)

_MARK = "admitted"
"""Key in an instance's ``__dict__``: None on an instance that is valid, else the valid instance made of it."""


def admit(instance: Instance | Path | str) -> Instance:
    """Return a valid instance from a path or from an object; an instance that was admitted before is returned as it is.

    Numbers of numpy become Python's. Everything else must be as a file would have it.

    Raises
    ------
    InputError
        As :func:`load` does, with the path of the fault, e.g. ``$.jobs[3].weight``.
    """
    if isinstance(instance, str | Path):
        return load(instance)
    if not isinstance(instance, Instance):
        raise InputError("an Instance, or the path of an instance file", path="instance", value=shown(instance))
    if _MARK in instance.__dict__:
        return instance.__dict__[_MARK] or instance
    admitted = _valid(convert(_plain(instance), Instance))
    instance.__dict__[_MARK] = admitted
    return admitted


def trust(instance: Instance) -> Instance:
    """Mark an instance that was derived from a valid one as valid, so that :func:`admit` does not check it again."""
    instance.__dict__[_MARK] = None
    return instance


def _valid(instance: Instance) -> Instance:
    """Return an instance if its data fit together, marked, with its fingerprint; a short search has no time for it."""
    fingerprint(validate(instance))
    return trust(instance)


def admit_all(records: Iterable[T], kind: type[T], path: str) -> tuple[T, ...]:
    """Return records that a program built, converted and checked as those of a file; ``path`` is their name in errors.

    Raises
    ------
    InputError
        For the first record or field of a wrong type, with its path.
    """
    if isinstance(records, str | bytes | msgspec.Struct) or not isinstance(records, Iterable):
        raise InputError(f"a sequence of {kind.__name__}", path=path, value=shown(records))
    given = tuple(records)
    for number, record in enumerate(given):
        if not isinstance(record, kind):
            raise InputError(kind.__name__, path=f"{path}[{number}]", value=shown(record))
    try:
        return convert(_plain(given), tuple[kind, ...])  # type: ignore[valid-type]
    except InputError as error:
        raise error.within(path=path) from None


def load(path: Path | str) -> Instance:
    """Read and validate an instance file, or standard input for ``-``; raise InputError where it is wrong."""
    return read(path, Instance, _valid)


def loads(content: bytes | str, file: str = "") -> Instance:
    """Read and validate an instance from JSON; ``file`` is the name for errors."""
    return parse(content, Instance, file, _valid)


def _plain(value: object) -> Any:
    """Return records as dictionaries and lists of Python's own types."""
    try:
        return msgspec.to_builtins(value, enc_hook=_item, str_keys=False)
    except (TypeError, ValueError, NotImplementedError):
        for path, found in _foreign(value, "$"):
            raise InputError("a value that a JSON file can hold", path=path, value=shown(found)) from None
        raise


def _item(value: object) -> object:
    """Return the Python object that a numpy scalar or array stands for."""
    convert_to_list = getattr(value, "tolist", None)
    if convert_to_list is None or type(value).__module__ != "numpy":
        raise NotImplementedError
    return convert_to_list()


def _foreign(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield what no file could hold, with its path."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _foreign(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _foreign(inner, f'{path}["{key}"]')
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _foreign(inner, f"{path}[{number}]")
    else:
        try:
            msgspec.to_builtins(value, enc_hook=_item)
        except (TypeError, ValueError, NotImplementedError):
            yield path, value
