"""The programs of Slurm: each call ends in time, and whatever goes wrong in it is one error."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from optsched.errors import InputError, OptschedError
from optsched.integrations.slurm.records import Node, SlurmJob, read_nodes, read_queue

__all__ = ["Client", "SlurmError"]


class SlurmError(OptschedError):
    """A program of Slurm is missing, failed, or did not answer in time."""


class Client:
    """The cluster of this machine, or the one that ``SLURM_CONF`` names.

    Parameters
    ----------
    timeout_s
        Seconds after which a program is killed.
    """

    def __init__(self, timeout_s: float = 20.0) -> None:
        self._timeout_s = timeout_s

    def queue(self) -> list[SlurmJob]:
        """Return all jobs."""
        return read_queue(self._run(["squeue", "--all", "--json"]))

    def nodes(self) -> list[Node]:
        """Return all nodes; where ``sinfo`` sums them up, as it does in later versions, by ``scontrol``."""
        try:
            return read_nodes(self._run(["sinfo", "--all", "--json"]))
        except InputError:
            return read_nodes(self._run(["scontrol", "show", "nodes", "--json"]))

    def tell(self, commands: Sequence[str]) -> list[str]:
        """Carry out commands by one ``scontrol``, and return what it complained of.

        Commands that fail do not keep the others; read the queue again to see what came of them.
        """
        if not commands:
            return []
        done = self._called(["scontrol"], "".join(f"{line}\n" for line in commands))
        return [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]

    def _run(self, command: list[str]) -> bytes:
        done = self._called(command)
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise SlurmError(f"{command[0]}: {words[-1]}")
        return done.stdout

    def _called(self, command: list[str], text: str = "") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(command, input=text.encode(), capture_output=True, timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{command[0]}: no answer in {self._timeout_s:g} s") from None
        except OSError as error:
            raise SlurmError(f"{command[0]}: {error.strerror}") from None
