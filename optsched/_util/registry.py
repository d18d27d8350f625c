"""What installed packages offer under a group of entry points: formulations, formulations over time, policies."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from optsched.errors import InputError, OptschedError, shown

__all__ = ["Registry"]

T = TypeVar("T")

_OWN = ("formulations.", "optsched.")
"""Packages whose entry points take precedence over those of others."""


class Registry(Generic[T]):
    """The entry points of a group. One that is broken is named, and the others remain usable.

    Parameters
    ----------
    group
        Name of the group, to which any installed package can add.
    kind
        Class of which each entry point must be an instance.
    what
        What an entry point is called in messages.
    others
        Further names that are allowed where one of these is asked for, listed in the error about an unknown name.
    """

    def __init__(self, group: str, kind: Any, what: str, others: tuple[str, ...] = ()) -> None:
        self.group, self._kind, self._what, self._others = group, kind, what, others

    @cached_property
    def points(self) -> list[EntryPoint]:
        """The entry points, none of them loaded; optsched's own come first."""
        return sorted(entry_points(group=self.group), key=lambda p: (not p.value.startswith(_OWN), p.name))

    @cached_property
    def _loaded(self) -> tuple[dict[str, T], dict[str, str]]:
        """What the entry points offer by name, and why others offer nothing by their labels."""
        found: dict[str, T] = {}
        broken: dict[str, str] = {}
        for point in self.points:
            label = f"{point.name} = {point.value}"
            try:
                offered = self._load(point)
            except OptschedError as error:
                broken[label] = str(error)
                continue
            name = getattr(offered, "name", point.name)
            if found.setdefault(name, offered) is not offered:
                broken[label] = f"another {self._what} is called {name!r}, too"
        return found, broken

    def _load(self, point: EntryPoint) -> T:
        """Load one entry point; raise OptschedError with the reason where that fails or gives another kind."""
        try:
            offered: T = point.load()
        except (Exception, SystemExit) as error:  # code of others: it may raise anything
            raise OptschedError(f"it cannot be loaded ({type(error).__name__}: {error})") from error
        if not isinstance(offered, self._kind):
            raise OptschedError(f"it is no {self._kind.__name__} but {shown(offered)}")
        return offered

    @property
    def found(self) -> dict[str, T]:
        """All that can be used, by name."""
        return self._loaded[0]

    @property
    def broken(self) -> dict[str, str]:
        """Why an entry point cannot be used, by its name and value: loading fails, another kind, a name in use."""
        return self._loaded[1]

    def get(self, name: str, path: str) -> T:
        """Return what has a name.

        Raises
        ------
        InputError
            For an unknown name; ``path`` says where it stands.
        OptschedError
            For one that is broken.
        """
        if name in self.found:
            return self.found[name]
        for label, reason in self.broken.items():
            if label.partition(" = ")[0] == name:
                raise OptschedError(f"the plug-in {label} is broken: {reason}")
        others = f"{', '.join(self._others)} or " if self._others else ""
        raise InputError(f"{others}one of {', '.join(self.found)}", path=path, value=shown(name))
