"""Names of single servers: ``group/number``, or ``group`` where the group has one server only."""

from __future__ import annotations

from collections.abc import Mapping

from optsched.instance.records import ServerGroup

__all__ = ["Server", "server_of", "split"]

Server = tuple[str, int]
"""A group, and a number in it from 0 on."""


def split(name: str) -> Server:
    """Return what a name says: its group, and its number; 0 where it has none, and -1 for what is no number."""
    group, slash, number = name.partition("/")
    if not slash:
        return group, 0
    plain = number.isascii() and number.isdecimal() and str(int(number)) == number
    return group, int(number) if plain else -1


def server_of(name: str, groups: Mapping[str, ServerGroup]) -> Server | None:
    """Return the server of a name among groups by their ids; None where there is none."""
    group, number = split(name)
    count = groups[group].count if group in groups else 0
    there = 0 <= number < count if "/" in name else count == 1
    return (group, number) if there else None
