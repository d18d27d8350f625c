"""Old words of the command line: they work for one more release, and say what replaces them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["current"]

_COMMANDS = {"profile-plan": "suggest-measurements"}
_OPTIONS = {
    ("solve", "export", "bench"): {"--without": "--exclude"},
    ("audit",): {"--draws": "--samples"},
    ("explain",): {"--worth": "--marginal-values"},
}


def current(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments in today's words, and a message for each old one among them."""
    if not arguments:
        return [], []
    renamed = _COMMANDS.get(arguments[0], arguments[0])
    messages = [f"{arguments[0]} is now called {renamed}"] if renamed != arguments[0] else []
    options = {old: new for commands, names in _OPTIONS.items() if renamed in commands for old, new in names.items()}
    words = [renamed]
    for word in arguments[1:]:
        name, equals, value = word.partition("=")
        new = options.get(name, name)
        if new != name and (message := f"{name} is now called {new}") not in messages:
            messages.append(message)
        words.append(new + equals + value)
    return words, messages
