"""Names that a file format allows, unique, and as near to the model's own as can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LP", "MPS", "Alphabet", "legal"]


@dataclass(frozen=True)
class Alphabet:
    """What a name may hold.

    forbidden
        Pattern of characters that become ``_``.
    instead
        What replaces some others.
    longest
        Most characters of a name.
    """

    forbidden: re.Pattern[str]
    instead: dict[int, int]
    longest: int


MPS = Alphabet(re.compile(r"[^!-~]"), {}, 150)
"""Free MPS takes whatever is no blank; GLPK up to 255 of it, and CBC dies of more than 160."""
LP = Alphabet(re.compile(r"[^A-Za-z0-9!#%&(),.;?@_{}~]"), str.maketrans("[]+", "()&"), 95)
"""The characters that CPLEX's, HiGHS's, GLPK's and CBC's readers share; CBC drops all names where one has 100."""


def legal(names: Sequence[str], alphabet: Alphabet) -> list[str]:
    """Return names for a format: brackets become parentheses where they must, what else is not allowed ``_``.

    A name that is too long is cut. Where that made two names equal, and where a name was cut, the number of the column
    or row follows a ``~``.
    """
    drafts = [alphabet.forbidden.sub("_", name.translate(alphabet.instead)) for name in names]
    taken: set[str] = set()
    found = []
    for number, draft in enumerate(drafts):
        name = draft
        if len(name) > alphabet.longest or name in taken:
            end = f"~{number}"
            name = draft[: alphabet.longest - len(end)] + end
            while name in taken:
                name += "~"
        taken.add(name)
        found.append(name)
    return found
