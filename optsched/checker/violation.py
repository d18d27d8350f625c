"""What the checker says of a rule that is broken."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Violation"]


@dataclass(frozen=True)
class Violation:
    """A broken rule: its name, who breaks it (a job, or a resource), and how."""

    rule: str
    who: str
    how: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.who}: {self.how}"
