"""The errors that users meet. Everything else that escapes is a bug of optsched."""

from __future__ import annotations

__all__ = ["InputError", "OptschedError", "OutputError", "SolverError"]


class OptschedError(Exception):
    """Base of all errors that optsched raises on purpose."""


class InputError(OptschedError, ValueError):
    """What was given is wrong: names the file, the path in it, the value and what was expected.

    Parameters
    ----------
    expected
        What would have been right, as a phrase that follows "expected".
    path
        Where, e.g. ``$.jobs[3].weight`` in a JSON file or ``line 7, column gpus`` in a table.
    value
        What stands there, already shortened to what a terminal line can show.
    file
        The file's name; empty if the data did not come from a file.
    """

    def __init__(self, expected: str, *, path: str = "", value: str = "", file: str = "") -> None:
        self.expected, self.path, self.value, self.file = expected, path, value, file
        super().__init__(str(self))

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.path) if part)
        found = f"found {self.value}, " if self.value else ""
        return f"{place}: {found}expected {self.expected}" if place else f"{found}expected {self.expected}"

    def within(self, *, file: str = "", path: str = "") -> InputError:
        """Return the same error seen from further out: the file and the path that lead to it."""
        whole = path + self.path.removeprefix("$") if path else self.path
        return InputError(self.expected, path=whole, value=self.value, file=file or self.file)


class OutputError(OptschedError):
    """What was to be written cannot be: no space is left, or the device fails. Nothing is wrong with the input."""


class SolverError(OptschedError):
    """A solver is missing or failed in a way that is not an answer."""


def shown(value: object, limit: int = 60) -> str:
    """Return a value as it can stand in a message: its repr, cut to ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
