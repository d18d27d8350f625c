"""What advice says, as records of a JSON file (optsched-advice/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Advice", "Lever", "Limit", "Option", "Suggested"]


class Option(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One configuration, and what it is expected to take.

    offer
        The offer that it takes from (GPU type, with its site or network where several differ).
    accumulation, servers, max_per_node, gbps
        Passes per step, parameter servers, most GPUs on one node, network rate per node, where they matter.
    throughput_examples_s, throughput_low, throughput_high
        Median and 80 % interval.
    time_s, time_low_s, time_high_s
        Median seconds until the work is done, and their 80 % interval.
    cost, gpu_hours
        Hourly price of all that is held times the time (None without prices), and GPUs times it.
    risk
        Chance to miss the deadline or the budget; None where neither was named.
    measured
        Whether the throughput was measured.
    line, row
        Line of the table and its cells, where rows of a table are ranked.
    """

    model: str
    gpu_type: str
    offer: str = ""
    gpus: int
    nodes: int
    local_batch: float | None = None
    accumulation: int = 1
    global_batch: float | None = None
    servers: int = 0
    max_per_node: int | None = None
    gbps: float | None = None
    throughput_examples_s: float
    throughput_low: float
    throughput_high: float
    efficiency: float = 1.0
    time_s: float
    time_low_s: float
    time_high_s: float
    gpu_hours: float
    hourly_price: float | None = None
    cost: float | None = None
    risk: float | None = None
    measured: bool = False
    line: int | None = None
    row: dict[str, str] = {}

    def where(self) -> str:
        """Return the configuration as words."""
        nodes = f" on {self.nodes} servers" if self.nodes > 1 else ""
        batch = "" if self.local_batch is None else f", {self.local_batch:g} examples per GPU"
        passes = f" in each of {self.accumulation} passes" if self.accumulation > 1 else ""
        served = f", {self.servers} parameter server{'s' * (self.servers > 1)}" if self.servers else ""
        return f"{self.gpus} x {self.offer or self.gpu_type}{nodes}{batch}{passes}{served}"


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What bounds the speed of the recommended configuration, and which share of its time it takes."""

    name: Literal["compute", "communication", "batch efficiency", "memory", "unknown"]
    share: float
    text: str


class Lever(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change that would make the recommended configuration faster, by a factor on its speed."""

    change: str
    factor: float
    text: str


class Suggested(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration to measure, and the typical error (standard deviation of the log) left after it."""

    gpu_type: str
    nodes: int
    gpus: int
    local_batch: float
    spread_after: float


class Advice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Advice for one model.

    work
        What times and costs are for, e.g. ``2e8 examples`` or ``metric 0.93``.
    candidates
        Number of configurations that were compared.
    recommended, reason
        The configuration to take, and why in a sentence.
    front
        Every configuration that no other beats in time, cost and risk, by time; without prices GPU hours are the cost.
    limits
        What bounds the recommended configuration, the largest share first.
    levers
        What would make it faster, the most first.
    measure
        The measurements that would make the advice surest, in their order.
    left_out
        Why GPU types or configurations were not compared.
    notes
        What the reader must know, e.g. where a curve was guessed.
    """

    format: Literal["optsched-advice/1"] = "optsched-advice/1"
    model: str
    work: str
    deadline_s: float | None
    budget: float | None
    candidates: int
    recommended: Option
    reason: str
    front: tuple[Option, ...]
    limits: tuple[Limit, ...]
    levers: tuple[Lever, ...]
    measure: tuple[Suggested, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
