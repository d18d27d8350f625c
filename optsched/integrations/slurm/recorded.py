"""A Slurm that was recorded in files: it can be planned, and nothing can be told to it."""

from __future__ import annotations

from pathlib import Path

from optsched._util.files import read_bytes
from optsched.integrations.slurm.records import Node, SlurmJob, read_nodes, read_queue

__all__ = ["Recorded"]


class Recorded:
    """The outputs of ``squeue --json`` and ``sinfo --json``."""

    def __init__(self, queue: Path, nodes: Path) -> None:
        self._queue, self._nodes = queue, nodes

    def queue(self) -> list[SlurmJob]:
        """Return all jobs."""
        return read_queue(read_bytes(self._queue), str(self._queue))

    def nodes(self) -> list[Node]:
        """Return all nodes."""
        return read_nodes(read_bytes(self._nodes), str(self._nodes))

    def tell(self, commands: list[str]) -> list[str]:
        """Do nothing."""
        return [f"{command}: this Slurm is recorded" for command in commands]
