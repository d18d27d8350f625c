"""Pods that arrive are placed one by one, or rejected; none leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.simulate.packing.trace import Nodes, Pods

__all__ = ["Packer", "Packing", "Room", "pack"]


class Room:
    """What is left of each node: CPU and memory, shape ``(n,)``, thousandths of each GPU, shape ``(n, most)``.

    ``fits`` tells which kinds of pods fit on which node, shape ``(k, n)``. GPUs that a node does not have stand as 0.
    """

    def __init__(self, nodes: Nodes, pods: Pods) -> None:
        self.nodes, self.pods = nodes, pods
        self.cpu, self.memory = nodes.cpu.copy(), nodes.memory.copy()
        there = np.arange(int(nodes.gpus.max(initial=0))) < nodes.gpus[:, None]
        self.milli: IntArray = np.where(there, 1000, 0)
        self.suits = np.array(
            [[not models or name in models for name in nodes.model] for models in pods.models], dtype=bool
        ).reshape(len(pods.cpu), len(nodes.cpu))
        self.fits = np.zeros((len(pods.cpu), len(nodes.cpu)), dtype=bool)
        for node in range(len(nodes.cpu)):
            self.renew(node)

    def renew(self, node: int) -> None:
        """Work out which kinds fit on a node."""
        pods, milli = self.pods, self.milli[node]
        enough = (pods.cpu <= self.cpu[node]) & (pods.memory <= self.memory[node]) & self.suits[:, node]
        whole, most = int((milli == 1000).sum()), int(milli.max(initial=0))
        gpus = np.where(pods.gpus > 1, pods.gpus <= whole, np.where(pods.gpus == 1, pods.milli <= most, True))
        self.fits[:, node] = enough & gpus

    def take(self, kind: int, node: int, gpu: int) -> None:
        """Place a pod: on ``gpu`` if it uses a part of one, else on whole ones."""
        pods = self.pods
        self.cpu[node] -= pods.cpu[kind]
        self.memory[node] -= pods.memory[kind]
        if pods.gpus[kind] == 1 and gpu >= 0:
            self.milli[node, gpu] -= pods.milli[kind]
        elif pods.gpus[kind] > 0:
            self.milli[node, np.flatnonzero(self.milli[node] == 1000)[: pods.gpus[kind]]] = 0
        self.renew(node)


Packer = Callable[[Room, int, NDArray[np.int64], np.random.Generator], tuple[int, int]]
"""From the room, a kind of pod and the nodes where it fits to a node and a GPU (-1 for whole ones or none)."""


@dataclass(frozen=True, eq=False)
class Packing:
    """What came of it: the part of all GPUs that is allocated after each pod, shape ``(pods,)``; pods turned away."""

    allocated: FloatArray
    refused: int

    @property
    def share(self) -> float:
        """Part of all GPUs that is allocated in the end."""
        return float(self.allocated[-1]) if len(self.allocated) else 0.0


def pack(nodes: Nodes, pods: Pods, order: IntArray, packer: Packer, seed: int = 0) -> Packing:
    """Place pods in an order. A pod that fits nowhere is turned away, and the next one comes."""
    room, random = Room(nodes, pods), np.random.default_rng([seed, 3])
    begin = getattr(packer, "fresh", None)
    decide: Packer = begin(room) if begin is not None else packer
    used, refused = np.zeros(len(order), dtype=np.int64), 0
    for number, kind in enumerate(order.tolist()):
        where = np.flatnonzero(room.fits[kind])
        if not len(where):
            refused += 1
            continue
        node, gpu = decide(room, kind, where, random)
        room.take(kind, node, gpu)
        used[number] = pods.asked[kind]
    return Packing(np.cumsum(used) / (1000 * max(1, int(nodes.gpus.sum()))), refused)
