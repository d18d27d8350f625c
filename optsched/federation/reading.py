"""What `optsched federate` reads: a game of values, or an instance whose sites have owners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optsched._util.files import decode, read_bytes
from optsched.errors import InputError
from optsched.federation.game import Game, GameFile, game_of
from optsched.instance import Instance, loads

__all__ = ["game_from", "read"]


def read(path: Path | str) -> Game | Instance:
    """Read a game file or an instance file, by its format; raise InputError where it is wrong."""
    content = read_bytes(path)
    try:
        kind = decode(content, dict[str, Any], str(path)).get("format")
    except InputError as error:
        raise error if error.file else error.within(file=str(path)) from None
    if not (isinstance(kind, str) and kind.startswith("optsched-game/")):
        try:
            return loads(content.decode())
        except InputError as error:
            raise error.within(file=str(path)) from None
    try:
        return game_from(decode(content, GameFile, str(path)))
    except InputError as error:
        raise error if error.file else error.within(file=str(path)) from None


def game_from(file: GameFile) -> Game:
    """Return the game that a file gives by its values."""
    return game_of(file.members, file.values, file.outcomes)
