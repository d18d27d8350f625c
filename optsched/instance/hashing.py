"""A hash of everything that an instance says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec

from optsched.instance.records import Instance

__all__ = ["fingerprint"]

_PLAIN = {bool, float, int, str, type(None)}
_BLOCK = 1024
"""Records at a time, which stay in the cache."""


def fingerprint(instance: Instance) -> str:
    """Return a hash of everything that the instance says: equal instances, equal hashes. It is computed once."""
    known = instance.__dict__.get("fingerprint")
    if known is None:
        digest = hashlib.sha256()
        for part in _canonical((instance,), msgspec.json.Encoder(order="deterministic").encode):
            digest.update(part)
        known = instance.__dict__["fingerprint"] = digest.hexdigest()[:16]
    return str(known)


def _canonical(values: Sequence[Any], encode: Callable[[Any], bytes]) -> Iterator[bytes]:
    """Yield all that values say, records with all their fields, also those at their default, field by field."""
    types = set(map(type, values))
    if len(types) == 1 and issubclass(kind := next(iter(types)), msgspec.Struct):
        plain, nested = _fields(kind)
        yield encode((kind.__name__, len(values)))
        for k in range(0, len(values), _BLOCK):
            yield encode(list(map(plain, values[k : k + _BLOCK])))
        for name in nested:
            yield from _canonical([getattr(value, name) for value in values], encode)
    elif types <= _PLAIN:
        yield encode(values)
    elif types == {tuple} and not any(values):  # as most of what many jobs could list
        yield (encode(("tuple", 0)) + encode(())) * len(values)
    else:
        for value in values:
            inner = [*value.items()] if isinstance(value, dict) else value
            inner = sorted(inner) if isinstance(value, dict) else inner
            if isinstance(inner, tuple | list):
                yield encode((type(value).__name__, len(inner)))
                yield from _canonical(inner, encode)
            else:
                yield from _canonical((inner,), encode)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[Callable[[Any], Any], tuple[str, ...]]:
    """Return what takes the fields of a record that hold no others, and the names of those that do."""
    nested = {f.name for f in msgspec.structs.fields(kind) if _nests(msgspec.inspect.type_info(f.type))}
    names = [f.name for f in msgspec.structs.fields(kind)]
    plain = [name for name in names if name not in nested]
    return attrgetter(*plain) if plain else type, tuple(name for name in names if name in nested)


def _nests(info: Any) -> bool:
    """Tell whether values of a type hold records."""
    if isinstance(info, msgspec.inspect.StructType | msgspec.inspect.AnyType):
        return True
    inner = [getattr(info, part) for part in ("item_type", "value_type", "type") if hasattr(info, part)]
    return any(map(_nests, [*inner, *getattr(info, "types", ()), *getattr(info, "item_types", ())]))
