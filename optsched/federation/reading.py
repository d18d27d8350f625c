"""What `optsched federate` reads: a game of values, or an instance whose sites have owners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optsched._util.files import parse, read_bytes
from optsched.federation.game import Game, GameFile, game_of
from optsched.instance import Instance, loads

__all__ = ["game_from", "read"]


def read(path: Path | str) -> Game | Instance:
    """Read a game file or an instance file, by its format; raise InputError where it is wrong."""
    content = read_bytes(path)
    kind = parse(content, dict[str, Any], str(path)).get("format")
    if isinstance(kind, str) and kind.startswith("optsched-game/"):
        return game_from(parse(content, GameFile, str(path), check=game_from))
    return loads(content, str(path))


def game_from(file: GameFile) -> Game:
    """Return the game that a file gives by its values."""
    return game_of(file.members, file.values, file.outcomes)
