"""Policies in any language: a process that reads and writes JSON lines.

The decision protocol of Batsim (Dutot et al., JSSPP'16) is the model: at each decision the process reads one line,
``{"now": seconds, "events": [{"timestamp", "type", "data"}, ...]}``, and answers with one of the same form.

Read: ``SIMULATION_BEGINS`` (the cluster), ``JOB_SUBMITTED`` (a job with its configurations and rates),
``JOB_COMPLETED``, ``JOB_STOPPED`` (by a failure), ``RESOURCES`` (GPUs of each type that are up, when that changes) and
``PROGRESS`` (the part of the work that each job has done). Written: ``EXECUTE_JOB`` with ``job_id``, ``gpu_type`` and
``gpus`` (also to move or resize a running job), and ``KILL_JOB`` with ``job_ids`` that stop and wait. What is not
mentioned stays as it is.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import msgspec

from optsched.errors import InputError, shown
from optsched.simulate.state import State

__all__ = ["process"]


class _Event(msgspec.Struct):
    type: str
    data: Any = None
    timestamp: float | None = None


class _Reply(msgspec.Struct):
    now: float | None = None
    events: list[_Event] = []


class _Process:
    """A running policy, and what it has been told."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.child: subprocess.Popen[bytes] | None = None
        self.jobs: set[str] = set()
        self.held: dict[str, tuple[str, int]] = {}
        self.capacity: list[int] = []

    def __call__(self, state: State) -> dict[str, tuple[str, int]]:
        events = self._events(state)
        line = msgspec.json.encode({"now": state.now, "events": events}) + b"\n"
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(line)
            child.stdin.flush()
            answer = child.stdout.readline()
        except OSError as error:
            raise InputError(f"a policy that goes on ({error.strerror})", path=self._name) from None
        if not answer:
            raise InputError("an answer of one line for each line", path=self._name, value="the end of its output")
        try:
            reply = msgspec.json.decode(answer, type=_Reply)
        except msgspec.MsgspecError as error:
            raise InputError(
                f'{{"now": ..., "events": [...]}} ({error})', path=self._name, value=shown(answer)
            ) from None
        for event in reply.events:
            self._apply(event)
        return dict(self.held)

    @property
    def _name(self) -> str:
        return f"process:{self.command}"

    def _started(self) -> subprocess.Popen[bytes]:
        if self.child is None:
            try:
                self.child = subprocess.Popen(shlex.split(self.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            except (OSError, ValueError, IndexError) as error:
                raise InputError(f"a command that starts ({error})", path=self._name) from None
        return self.child

    def _events(self, state: State) -> list[dict[str, Any]]:
        """Return what has happened since the last decision."""
        tables, now = state.tables, state.now
        events: list[dict[str, Any]] = []

        def tell(kind: str, data: object) -> None:
            events.append({"timestamp": now, "type": kind, "data": data})

        if not self.capacity:
            pools = zip(tables.types, tables.servers.tolist(), tables.per_server.tolist(), strict=True)
            tell(
                "SIMULATION_BEGINS",
                {"cluster": [{"gpu_type": t, "servers": s, "gpus_per_server": g} for t, s, g in pools]},
            )
        if (up := state.capacity.tolist()) != self.capacity:
            self.capacity = up
            tell("RESOURCES", dict(zip(tables.types, up, strict=True)))
        names = [tables.jobs[j].id for j in state.job.tolist()]
        here = set(names)
        for name in sorted(self.jobs - here):
            self.held.pop(name, None)
            tell("JOB_COMPLETED", {"job_id": name})
        for k, name in enumerate(names):
            if name not in self.jobs:
                tell("JOB_SUBMITTED", self._submitted(state, k))
            if state.held[k] < 0 and name in self.held:
                del self.held[name]
                tell("JOB_STOPPED", {"job_id": name})
        self.jobs = here
        tell("PROGRESS", {name: round(float(done), 9) for name, done in zip(names, state.done, strict=True)})
        return events

    def _submitted(self, state: State, k: int) -> dict[str, Any]:
        tables = state.tables
        job = tables.jobs[int(state.job[k])]
        mine = state.rows[state.row_job == k].tolist()
        return {
            "job_id": job.id,
            "submission_time": job.arrival_s,
            "application": job.application,
            "work": job.work,
            "requested_gpus": job.gpus,
            "queue": job.queue,
            "priority": job.priority,
            "deadline": job.deadline_s,
            "configurations": [
                {
                    "gpu_type": tables.types[tables.row_type[row]],
                    "gpus": int(tables.row_gpus[row]),
                    "rate": float(state.known[row, state.stage[k]]),
                }
                for row in mine
            ],
        }

    def _apply(self, event: _Event) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.type == "EXECUTE_JOB":
            try:
                self.held[str(data["job_id"])] = str(data["gpu_type"]), int(data["gpus"])
            except (KeyError, TypeError, ValueError):
                raise InputError(
                    "job_id, gpu_type and gpus", path=f"{self._name}: EXECUTE_JOB", value=shown(data)
                ) from None
        elif event.type == "KILL_JOB":
            for name in data.get("job_ids") or ():
                self.held.pop(str(name), None)
        else:
            raise InputError("EXECUTE_JOB or KILL_JOB", path=self._name, value=shown(event.type))

    def close(self) -> None:
        """End the process: close its input, and stop it if it does not leave."""
        if self.child is None:
            return
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # it has left already
                    stream.close()
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def process(command: str) -> Callable[[State], dict[str, tuple[str, int]]]:
    """Return a policy that asks a process, which starts at the first decision."""
    return _Process(command)
