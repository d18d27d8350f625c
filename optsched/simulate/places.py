"""On which GPUs jobs stand: so that a failure hits those that use what fails, and a chart shows who is where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import IntArray
from optsched.simulate.tables import Tables

__all__ = ["Places"]


class Places:
    """The GPUs of each type in a line, server after server.

    A job on less than a server takes the fullest server that has room (best fit); one on whole servers takes free
    ones; where neither is possible it takes what is free, server by server.
    """

    def __init__(self, tables: Tables) -> None:
        self._per_server = tables.per_server
        self._owner: list[IntArray] = [np.full(int(n), -1, dtype=np.int64) for n in tables.capacity]
        self._outages: list[IntArray] = [np.zeros(int(n), dtype=np.int64) for n in tables.capacity]
        self._where: dict[int, tuple[int, IntArray]] = {}

    def up(self) -> IntArray:
        """Return the number of GPUs of each type that are not down."""
        return np.array([int((down == 0).sum()) for down in self._outages], dtype=np.int64)

    def take(self, job: int, gpu_type: int, gpus: int) -> IntArray:
        """Place a job and return the numbers of its GPUs."""
        size = int(self._per_server[gpu_type])
        free = (self._owner[gpu_type] < 0) & (self._outages[gpu_type] == 0)
        room = free.reshape(-1, size).sum(axis=1)
        left, chosen = gpus, []
        while left > 0:
            want = min(left, size)
            fits = np.flatnonzero(room >= want)
            server = int(fits[np.argmin(room[fits])]) if len(fits) else int(np.argmax(room))
            got = np.flatnonzero(free[server * size : (server + 1) * size])[:want] + server * size
            chosen.append(got)
            free[got] = False
            room[server] -= len(got)
            left -= len(got)
        numbers = np.concatenate(chosen)
        self._owner[gpu_type][numbers] = job
        self._where[job] = gpu_type, numbers
        return numbers

    def leave(self, job: int) -> None:
        """Free what a job holds, if anything."""
        gpu_type, numbers = self._where.pop(job, (0, np.zeros(0, dtype=np.int64)))
        self._owner[gpu_type][numbers] = -1

    def down(self, gpu_type: int, first: int, gpus: int) -> list[int]:
        """Take GPUs away, and return the jobs that stand on them."""
        self._outages[gpu_type][first : first + gpus] += 1
        hit: NDArray[np.int64] = np.unique(self._owner[gpu_type][first : first + gpus])
        return [int(job) for job in hit if job >= 0]

    def back(self, gpu_type: int, first: int, gpus: int) -> None:
        """Bring GPUs back."""
        self._outages[gpu_type][first : first + gpus] -= 1
