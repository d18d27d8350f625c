"""Who decides where a pod goes: at random, best fit, the gradient of fragmentation, and ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.simulate.packing.pack import Packer, Room

__all__ = ["PACKERS", "best_fit", "fragmentation_gradient", "random_fit", "usable_gradient"]


def _fitting(room: Room, kind: int, node: int) -> IntArray:
    """Return the GPUs of a node that have room for a pod that uses a part of one."""
    return np.flatnonzero(room.milli[node] >= room.pods.milli[kind])


def random_fit(room: Room, kind: int, where: NDArray[np.int64], random: np.random.Generator) -> tuple[int, int]:
    """Take a random node, and a random GPU of it."""
    node = int(random.choice(where))
    return node, int(random.choice(_fitting(room, kind, node))) if room.pods.gpus[kind] == 1 else -1


def best_fit(room: Room, kind: int, where: NDArray[np.int64], random: np.random.Generator) -> tuple[int, int]:
    """Take the node with the least left of all its resources after it, each as a part of the largest node's.

    Weng et al., ATC'23, sec. 6.1 (Best-fit); on the node, the GPU with the least left.
    """
    nodes = room.nodes
    left = room.cpu[where] / nodes.cpu.max() + room.memory[where] / nodes.memory.max()
    left = left + room.milli[where].sum(axis=1) / (1000 * nodes.gpus.max())
    node = int(where[np.argmin(left)])
    if room.pods.gpus[kind] != 1:
        return node, -1
    fits = _fitting(room, kind, node)
    return node, int(fits[np.argmin(room.milli[node, fits])])


class _Gradient:
    """For each kind and node what the fragmentation grows by if the pod goes there, and on which GPU."""

    def __init__(self, room: Room, weight: FloatArray) -> None:
        pods = room.pods
        self.popularity = weight
        typical = np.flatnonzero((pods.gpus > 0) & (weight > 0))
        needs = list(zip(pods.gpus.tolist(), pods.milli.tolist(), strict=True))
        groups = sorted({needs[m] for m in typical.tolist()})
        self.need = np.array(groups, dtype=np.int64).reshape(-1, 2)
        member = np.zeros((len(typical), len(groups)))
        member[np.arange(len(typical)), [groups.index(needs[m]) for m in typical.tolist()]] = weight[typical]
        self.typical, self.member = typical, member
        options = sorted(set(needs))
        self.options = np.array(options, dtype=np.int64).reshape(-1, 2)
        self.option = np.array([options.index(need) for need in needs], dtype=np.int64)
        shape = (len(pods.cpu), len(room.cpu))
        self.growth, self.gpu = np.zeros(shape), np.full(shape, -1, dtype=np.int64)
        known: dict[Any, int] = {}
        for node in range(len(room.cpu)):
            state = (room.cpu[node], room.memory[node], tuple(room.milli[node]), tuple(room.suits[:, node]))
            if (same := known.setdefault(state, node)) != node:
                self.growth[:, node], self.gpu[:, node] = self.growth[:, same], self.gpu[:, same]
            else:
                self.renew(room, node)

    def renew(self, room: Room, node: int) -> None:
        """Work out the growth of every kind on a node (Weng et al., ATC'23, sec. 4, eqs. 3-5).

        The fragments of a node for a kind are its GPU parts that are smaller than what the kind asks for, and all of
        them if the kind does not fit; their mean over kinds by weight is the node's fragmentation.
        """
        pods, milli = room.pods, room.milli[node]
        cpu, memory = room.cpu[node], room.memory[node]
        suits = room.suits[self.typical, node]
        enough = (pods.cpu[self.typical] <= cpu) & (pods.memory[self.typical] <= memory) & suits
        here = enough @ self.member
        fragments, total = self._fragments(milli[None])
        now = float(here @ fragments[0] + (self.member.sum() - here.sum()) * total[0])
        lower_cpu, lower_memory = cpu - pods.cpu, memory - pods.memory
        after = (pods.cpu[self.typical] <= lower_cpu[:, None]) & (pods.memory[self.typical] <= lower_memory[:, None])
        able = (after & suits) @ self.member  # weight of the kinds that still fit by CPU and memory, by need
        states, owner, gpu = self._after(milli)
        if not len(states):
            return
        fragments, total = self._fragments(states)
        every = float(self.member.sum())
        grown = able @ fragments.T + (every - able.sum(axis=1))[:, None] * total - now
        grown = np.where(self.option[:, None] == owner, grown, np.inf)
        best = np.argmin(grown, axis=1)
        self.growth[:, node] = grown[np.arange(len(best)), best]
        self.gpu[:, node] = gpu[best]

    def _after(self, milli: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return what each option may leave of a node's GPUs, which option that is, and on which GPU it goes."""
        states, owner, gpu = [], [], []
        values, first = np.unique(milli, return_index=True)
        whole = np.flatnonzero(milli == 1000)
        for number, (gpus, part) in enumerate(self.options.tolist()):
            if gpus == 1:
                choices = first[values >= part].tolist()
                amounts = [[choice] for choice in choices]
            else:
                choices = [-1] if gpus <= len(whole) else []
                amounts = [whole[:gpus].tolist()] if choices else []
            for choice, taken in zip(choices, amounts, strict=True):
                state = milli.copy()
                state[taken] -= part
                states.append(state)
                owner.append(number)
                gpu.append(choice)
        shape = (-1, len(milli))
        return np.array(states, dtype=np.int64).reshape(shape), np.array(owner), np.array(gpu, dtype=np.int64)

    def _fragments(self, states: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the fragments of states ``(s, g)`` for each need, ``(s, needs)``, and all that is left, ``(s,)``."""
        gpus, part = self.need[:, 0], self.need[:, 1]
        small = (states[:, None] * (states[:, None] < part[:, None])).sum(axis=2)
        whole, most = (states == 1000).sum(axis=1), states.max(axis=1, initial=0)
        total = states.sum(axis=1)
        fits = np.where(gpus > 1, gpus <= whole[:, None], part <= most[:, None])
        return np.where(fits, small, total[:, None]).astype(np.float64), total.astype(np.float64)

    def choose(self, room: Room, kind: int, where: NDArray[np.int64]) -> tuple[int, int]:
        """Return the node where fragmentation grows least, and the GPU."""
        node = int(where[np.argmin(self.growth[kind, where])])
        return node, int(self.gpu[kind, node])


class _Usable(_Gradient):
    """As the gradient of fragmentation, of what a node can give to as many pods of a kind as fit on it together.

    A fragment of the published kind is what one pod could not use: a node with four free GPUs and CPU for one pod
    seems whole. Here the part that all pods of a kind can use together, by CPU, memory and GPUs, is what counts.
    """

    def renew(self, room: Room, node: int) -> None:
        pods, milli = room.pods, room.milli[node]
        if not hasattr(self, "amount"):
            self.amount = pods.asked[self.typical].astype(np.float64)
            self.share = self.popularity[self.typical]
            self.need_of = self.member.argmax(axis=1)
        suits = room.suits[self.typical, node]
        states, owner, gpu = self._after(milli)
        if not len(states):
            return
        kind, state = np.nonzero((self.option[:, None] == owner) & room.fits[:, node][:, None])
        now = self._waste(room.cpu[node : node + 1], room.memory[node : node + 1], milli[None], room, suits)[0]
        left_cpu, left_memory = room.cpu[node] - pods.cpu[kind], room.memory[node] - pods.memory[kind]
        grown = np.full((len(pods.cpu), len(states)), np.inf)
        grown[kind, state] = self._waste(left_cpu, left_memory, states[state], room, suits) - now
        best = np.argmin(grown, axis=1)
        self.growth[:, node] = grown[np.arange(len(best)), best]
        self.gpu[:, node] = gpu[best]

    def _waste(
        self, cpu: IntArray, memory: IntArray, states: IntArray, room: Room, suits: NDArray[np.bool_]
    ) -> FloatArray:
        """Return the weighted GPU parts that kinds can't use of nodes, shape ``(s,)``, from what is left of each."""
        pods, typical = room.pods, self.typical
        gpus, part = self.need[:, 0], self.need[:, 1]
        slots = np.where(
            gpus > 1,
            (states == 1000).sum(axis=1)[:, None] // np.maximum(1, gpus),
            (states[:, None] // part[:, None]).sum(axis=2),
        )
        count = np.minimum(slots[:, self.need_of], cpu[:, None] // np.maximum(1, pods.cpu[typical]))
        count = np.minimum(count, memory[:, None] // np.maximum(1, pods.memory[typical])) * suits
        total = states.sum(axis=1).astype(np.float64)
        return np.asarray(total * self.share.sum() - (count * self.amount) @ self.share)


class _Both(_Gradient):
    """The mean of both measures: what one more pod, and what all further pods can use."""

    def __init__(self, room: Room, weight: FloatArray) -> None:
        self.one, self.all = _Gradient(room, weight), _Usable(room, weight)
        self.growth, self.gpu = (self.one.growth + self.all.growth) / 2, self.all.gpu

    def renew(self, room: Room, node: int) -> None:
        self.one.renew(room, node)
        self.all.renew(room, node)
        self.growth[:, node] = (self.one.growth[:, node] + self.all.growth[:, node]) / 2

    def choose(self, room: Room, kind: int, where: NDArray[np.int64]) -> tuple[int, int]:
        """As for the one measure; of equal nodes, the one with the least left."""
        growth = self.growth[kind, where]
        best = where[growth <= growth.min() + 1e-9]
        spare = room.cpu[best] / room.nodes.cpu.max() + room.milli[best].sum(axis=1) / 8000.0
        node = int(best[np.argmin(spare)])
        return node, int(self.gpu[kind, node])


class _Fresh:
    """A packer that keeps the growth of every kind on every node, and renews that of the node that changed."""

    def __init__(self, measure: type[_Gradient]) -> None:
        self.measure = measure

    def __call__(self, room: Room, kind: int, where: NDArray[np.int64], random: np.random.Generator) -> tuple[int, int]:
        return self.fresh(room)(room, kind, where, random)

    def fresh(self, room: Room) -> Packer:
        """Return the packer for one run."""
        gradient = self.measure(room, room.pods.popularity)
        changed: list[int] = []

        def decide(room: Room, kind: int, where: NDArray[np.int64], random: np.random.Generator) -> tuple[int, int]:
            for node in changed:
                gradient.renew(room, node)
            node, gpu = gradient.choose(room, kind, where)
            changed[:] = [node]
            return node, gpu

        return decide


fragmentation_gradient = _Fresh(_Gradient)
usable_gradient = _Fresh(_Both)

PACKERS: dict[str, Packer] = {
    "random": random_fit,
    "best-fit": best_fit,
    "fragmentation-gradient": fragmentation_gradient,
    "usable-gradient": usable_gradient,
}
"""Packers by name; the last one is ours."""
