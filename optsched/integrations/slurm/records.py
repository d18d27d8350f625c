"""Jobs and nodes as ``squeue --json`` and ``sinfo --json`` tell them, of Slurm 22.05 and of later versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from optsched.errors import InputError, shown

__all__ = ["Node", "SlurmJob", "expanded", "gpus_in", "read_nodes", "read_queue"]

UNUSABLE = (
    "DOWN",
    "DRAIN",
    "ERROR",
    "FAIL",
    "FUTURE",
    "INVAL",
    "MAINT",
    "NOT_RESPONDING",
    "NO_RESPOND",
    "POWER",
    "REBOOT",
    "RESERVED",
    "UNKNOWN",
)
"""How the states begin in which a node takes nothing new."""
_GPU = re.compile(r"\bgpu(?::([A-Za-z_][\w.-]*))?(?:[:=](\d+))?")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?$")
MOST_HOSTS = 1_000_000
"""Hosts of one list up to which it is expanded."""


@dataclass(frozen=True)
class Node:
    """A node, and how many GPUs of each type it has; ``usable``: whether it takes new jobs."""

    name: str
    gpus: dict[str, int]
    usable: bool
    partitions: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True)
class SlurmJob:
    """A job.

    state
        ``PENDING``, ``RUNNING``, ``COMPLETING``, ...
    held
        Whether it waits until somebody releases it.
    per_node, per_job
        GPUs that it asks for on each node, or in all, by type ("" for any); None: it does not ask so.
    required
        Nodes that it asks for.
    node_count
        How many nodes it has, or asks for. Of a job that waits once more, Slurm 22.05 tells how many it had before.
    most_nodes
        How many it may have at most; 0: not known, which is so once it ran.
    tasks, cpus_per_task
        What it asks for.
    scales
        Whether its CPUs go by its GPUs.
    on
        GPUs that it has, by node.
    """

    id: int
    name: str
    user: str
    state: str
    held: bool
    reason: str
    comment: str
    partition: str
    per_node: tuple[str, int] | None
    per_job: tuple[str, int] | None
    required: frozenset[str]
    node_count: int
    most_nodes: int = 0
    tasks: int = 1
    cpus_per_task: int = 1
    scales: bool = False
    on: dict[str, int] = field(default_factory=dict)
    requeue: bool = True
    restarts: int = 0
    submitted_s: float = 0.0

    @property
    def asked(self) -> tuple[str, int] | None:
        """Type ("" for any) and number of the GPUs that it asks for; None where it asks for none."""
        if self.per_job is not None:
            return self.per_job
        nodes = len(self.required) if self.required and self.state == "PENDING" else self.node_count
        return None if self.per_node is None else (self.per_node[0], self.per_node[1] * max(1, nodes))


def gpus_in(text: str) -> list[tuple[str, int]]:
    """Return the types and numbers of the GPUs that a text names, such as ``gres:gpu:v100:2`` or ``gpu:4(IDX:0-3)``."""
    return [(found[1] or "", int(found[2] or 1)) for found in _GPU.finditer(text)]


def expanded(hosts: str) -> list[str]:
    """Return the names in a host list such as ``node[1-3,07],login``; [] for a list of a form that is not known."""
    found: list[str] = []
    for part in re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", hosts):
        prefixes = [""]
        for piece in re.findall(r"\[[^\]]*\]|[^\[\]]+", part):
            ends = list(_ranged(piece[1:-1])) if piece.startswith("[") else [piece]
            if len(ends) * len(prefixes) > MOST_HOSTS:
                return []
            prefixes = [prefix + end for prefix in prefixes for end in ends]
        found += prefixes
    return found


def _ranged(text: str) -> Iterator[str]:
    for part in text.split(","):
        match = _RANGE.match(part)
        if match is None:
            continue
        first, last = match[1], match[2] or match[1]
        for number in range(int(first), min(int(last), int(first) + MOST_HOSTS) + 1):
            yield str(number).zfill(len(first))


def read_queue(content: bytes, file: str = "squeue --json") -> list[SlurmJob]:
    """Return the jobs that ``squeue --json`` tells; raise InputError for anything else."""
    return [_job(raw, f"$.jobs[{index}]", file) for index, raw in enumerate(_listed(content, "jobs", file))]


def read_nodes(content: bytes, file: str = "sinfo --json") -> list[Node]:
    """Return the nodes that ``sinfo --json`` or ``scontrol show nodes --json`` of some versions tell."""
    return [_node(raw, f"$.nodes[{index}]", file) for index, raw in enumerate(_listed(content, "nodes", file))]


def _listed(content: bytes, key: str, file: str) -> list[Any]:
    try:
        raw = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"JSON ({error})", file=file) from None
    if not isinstance(raw, Mapping) or not isinstance(raw.get(key), list):
        raise InputError(f"an object with the list {key!r}", path="$", value=shown(raw), file=file)
    return list(raw[key])


def _job(raw: Any, path: str, file: str) -> SlurmJob:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("job_id"), int):
        raise InputError("a job with its number job_id", path=path, value=shown(raw), file=file)
    states = _words(raw.get("job_state"))
    waits = "PENDING" in states
    completing = "COMPLETING" in states
    priority = _number(raw.get("priority"))
    held = waits and (priority == 0 or raw.get("hold") is True)
    state = "COMPLETING" if completing else (states or ["UNKNOWN"])[0]
    details = raw.get("gres_detail")
    details = [str(part) for part in details] if isinstance(details, list) else []
    names = expanded(str(raw.get("nodes") or ""))
    on = {}
    for name, detail in zip(names, details, strict=False):
        if (count := sum(gpus for _, gpus in gpus_in(detail))) > 0:
            on[name] = count
    return SlurmJob(
        id=raw["job_id"],
        name=str(raw.get("name") or ""),
        user=str(raw.get("user_name") or ""),
        state=state,
        held=held,
        reason=str(raw.get("state_reason") or ""),
        comment=str(_text(raw.get("comment"))),
        partition=str(raw.get("partition") or ""),
        per_node=_asked(raw.get("tres_per_node")),
        per_job=_asked(raw.get("tres_per_job")),
        required=frozenset(expanded(str(raw.get("required_nodes") or ""))),
        node_count=int(_number(raw.get("node_count")) or 1),
        most_nodes=int(_number(raw.get("max_nodes")) or 0),
        tasks=int(_number(raw.get("tasks")) or 1),
        cpus_per_task=int(_number(raw.get("cpus_per_task")) or 1),
        scales=bool(raw.get("cpus_per_tres")),
        on=on,
        requeue=bool(raw.get("requeue", True)),
        restarts=int(_number(raw.get("restart_cnt")) or 0),
        submitted_s=float(_number(raw.get("submit_time")) or 0),
    )


def _node(raw: Any, path: str, file: str) -> Node:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
        raise InputError("a node with its name", path=path, value=shown(raw), file=file)
    states = [*_words(raw.get("state")), *_words(raw.get("state_flags"))]
    gpus: dict[str, int] = {}
    for gpu_type, count in gpus_in(str(raw.get("gres") or "")):
        gpus[gpu_type or "gpu"] = gpus.get(gpu_type or "gpu", 0) + count
    usable = bool(states) and not any(state.startswith(UNUSABLE) for state in states)
    listed = raw.get("partitions")
    names = tuple(str(part) for part in listed) if isinstance(listed, list) else ()
    return Node(raw["name"], gpus, usable, names, "+".join(states).lower())


def _asked(value: Any) -> tuple[str, int] | None:
    found = gpus_in(str(value or ""))
    return found[0] if found else None


def _number(value: Any) -> float | None:
    """Return a number; later versions wrap numbers in objects that tell whether they are set."""
    if isinstance(value, Mapping):
        return _number(value.get("number")) if value.get("set", True) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _words(value: Any) -> list[str]:
    """Return states in upper case; earlier versions have one word, later ones a list."""
    listed = value if isinstance(value, list) else [value]
    return [word for part in listed if isinstance(part, str) for word in part.upper().split("+")]


def _text(value: Any) -> Any:
    return (value.get("job") if isinstance(value, Mapping) else value) or ""
