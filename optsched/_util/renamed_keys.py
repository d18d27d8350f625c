"""Keys of JSON files that have a new name: the former one is read for one more release, with a message.

A record declares them as ``former_keys: ClassVar[dict[str, str]]``, from the former key to the present one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from msgspec import inspect

from optsched.errors import InputError

__all__ = ["Renamed", "flat", "inner"]


def flat(kind: inspect.Type) -> list[inspect.Type]:
    """Return the members of a union, or the type itself."""
    if isinstance(kind, inspect.Metadata):
        return flat(kind.type)
    return [m for t in kind.types for m in flat(t)] if isinstance(kind, inspect.UnionType) else [kind]


def inner(kind: inspect.Type, step: str, value: object) -> list[inspect.Type]:
    """Return the types that one step of a path can lead to."""
    found: list[inspect.Type] = []
    for member in flat(kind):
        if isinstance(member, inspect.StructType):
            if isinstance(value, dict) and member.tag_field == step[1:]:
                found.append(inspect.LiteralType((member.tag,)))
            elif not isinstance(value, dict) or value.get(member.tag_field or "", member.tag) == member.tag:
                found += [field.type for field in member.fields if field.encode_name == step[1:]]
        elif isinstance(member, inspect.DictType):
            found.append(member.value_type)
        elif isinstance(member, inspect.VarTupleType | inspect.ListType):
            found.append(member.item_type)
        elif isinstance(member, inspect.TupleType):
            found += member.item_types
    return found


class Renamed:
    """A value that a program or a file gave, under the present names of its keys.

    value
        The value with present keys.
    former
        The former key that stands in the file, by the path of the present one.
    """

    def __init__(self, value: Any, kind: object) -> None:
        self.former: dict[str, str] = {}
        self.value = self._walk(value, [inspect.type_info(kind)], "$")

    def _walk(self, value: Any, types: Sequence[inspect.Type], path: str) -> Any:
        """Return a value with present keys. ``types`` are those that it may be of."""
        if isinstance(value, list | tuple):
            return [self._step(one, types, value, f"[{k}]", path) for k, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        names: dict[str, str] = {}
        for member in (m for kind in types for m in flat(kind) if isinstance(m, inspect.StructType)):
            if value.get(member.tag_field or "", member.tag) == member.tag:
                names |= getattr(member.cls, "former_keys", {})
        found = {}
        for key, one in value.items():
            today = key if names.get(key, key) in value else names[key]
            if today != key:
                self.former[f"{path}.{today}"] = key
                _say(key, today)
            found[today] = self._step(one, types, value, f".{today}", path)
        return found

    def _step(self, one: Any, types: Sequence[inspect.Type], value: Any, step: str, path: str) -> Any:
        if not isinstance(one, dict | list | tuple):
            return one
        return self._walk(one, [t for kind in types for t in inner(kind, step, value)], path + step)

    def restored(self, error: InputError) -> InputError:
        """Return an error whose path has the keys that stand in the file."""
        path = error.path
        for today, key in sorted(self.former.items(), key=lambda item: -len(item[0])):
            if re.match(re.escape(today) + r"(?![^.\[])", path):
                path = f"{today.rpartition('.')[0]}.{key}{path[len(today) :]}"
        return InputError(error.expected, path=path, value=error.value, file=error.file)


@cache
def _say(former: str, present: str) -> None:
    """Tell the user, once in a process, how a key is called now."""
    import logging

    logging.getLogger("optsched").warning(
        "the key %r is now called %r; the former one is read in this release for the last time", former, present
    )
