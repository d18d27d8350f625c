"""Names of single servers: ``group/number``, or ``group`` where the group has one server only."""

from __future__ import annotations

from collections.abc import Container, Mapping

from optsched.instance.records import ServerGroup

__all__ = ["Server", "clash", "group_of", "plain", "server_of"]

Server = tuple[str, int]
"""A group, and a number in it from 0 on."""


def server_of(name: str, groups: Mapping[str, ServerGroup]) -> Server | None:
    """Return the server of a name among groups by their ids; None where there is none."""
    if name in groups and groups[name].count == 1:
        return name, 0
    group, slash, number = name.rpartition("/")
    if not slash or group not in groups or not _is_number(number) or int(number) >= groups[group].count:
        return None
    return group, int(number)


def group_of(name: str, groups: Container[str]) -> str:
    """Return the group that a name of a server means, whether or not there is such a group."""
    return name if name in groups or "/" not in name else name.rpartition("/")[0]


def plain(name: str) -> str:
    """Return the shortest name of a server: ``group/0`` is ``group`` if it is the only one of its group.

    Equal servers of a valid instance have equal plain names, and different ones have different names.
    """
    while name.endswith("/0"):
        name = name[:-2]
    return name


def clash(name: str, groups: Container[str]) -> str:
    """Return the group of which a group's id could be a server's name, e.g. ``n`` for ``n/0``; empty where none is."""
    group, slash, number = name.rpartition("/")
    while slash and _is_number(number):
        if group in groups:
            return group
        group, slash, number = group.rpartition("/")
    return ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and str(int(text)) == text
