"""The servers of a cluster, and what is still free on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, even_split
from optsched.instance.topology import Crossing, Room, ServerClass
from optsched.problem.configurations import server_numbers
from optsched.problem.problem import Places, Problem

__all__ = ["Piece", "ServerInventory", "pieces_of"]

_EPS = 1e-9


@dataclass(frozen=True)
class Piece:
    """Equal pieces of a row: GPUs of each (0: a parameter server), their number, and what each takes.

    takes
        GPUs, CPU cores and memory, shape ``(3,)``.
    """

    gpus: int
    count: int
    takes: FloatArray


def pieces_of(problem: Problem, row: int) -> tuple[Piece, ...]:
    """Return the pieces of a row: its workers, spread evenly over its nodes, and its parameter servers."""
    table = problem.configurations
    columns, owner = table.columns, problem.instance.jobs[table.job[row]]
    found = []
    sizes, counts = even_split(columns.gpus[row], columns.nodes[row])
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        if count:
            takes = np.array([size, size * owner.cpu_cores_per_gpu, size * owner.memory_gb_per_gpu])
            found.append(Piece(size, count, takes))
    if (servers := int(columns.servers[row])) > 0:
        ps = owner.parameter_servers
        takes = np.array([0.0, ps.cpu_cores if ps else 0.0, ps.memory_gb if ps else 0.0])
        found.append(Piece(0, servers, takes))
    return tuple(found)


@dataclass(frozen=True)
class ServerInventory:
    """Every server by its number, and links as sets of servers.

    servers
        One class for each server.
    number
        Of each server by its name.
    site, rack, gpu_type
        Numbers that tell servers apart, shape ``(servers,)`` each; gpu_type -1 for none.
    capacity
        GPUs, CPU cores and memory, shape ``(servers, 3)``.
    listed
        Number of each server in the order of the file, shape ``(servers,)``.
    """

    servers: tuple[ServerClass, ...]
    crossings: tuple[Crossing, ...]
    number: dict[str, int]
    site: IntArray
    rack: IntArray
    gpu_type: IntArray
    capacity: FloatArray
    listed: IntArray

    @staticmethod
    def of(problem: Problem) -> ServerInventory:
        """Return the ground of a problem: the room that its jobs have."""
        instance = problem.instance
        room = (problem.room or Room.of(instance)).apart()
        servers = room.classes
        sites = {site.id: k for k, site in enumerate(instance.cluster.sites)}
        types = {gpu.id: k for k, gpu in enumerate(instance.cluster.gpu_types)}
        racks = {key: k for k, key in enumerate(dict.fromkeys((s.site, s.rack) for s in servers))}
        return ServerInventory(
            servers,
            room.crossings,
            {s.names[0]: k for k, s in enumerate(servers)},
            np.array([sites[s.site] for s in servers]),
            np.array([racks[s.site, s.rack] for s in servers]),
            np.array([-1 if s.gpu_type is None else types[s.gpu_type] for s in servers]),
            np.array([(s.gpus, s.cpu_cores, s.memory_gb) for s in servers], dtype=np.float64),
            server_numbers(instance, [s.names[0] for s in servers]),
        )

    def hosts(self, problem: Problem, row: int, piece: Piece) -> NDArray[np.bool_]:
        """Return the servers that may host a piece of a row when they are empty, shape ``(servers,)``."""
        pool = problem.configurations.pools[problem.configurations.columns.pool[row]]
        cluster = problem.instance.cluster
        site = [s.id for s in cluster.sites].index(pool.site)
        mine: NDArray[np.bool_] = (self.site == site) & (self.capacity >= piece.takes - _EPS).all(axis=1)
        mine &= problem.configurations.may_host(row, self.listed)
        if piece.gpus:
            mine &= self.gpu_type == [g.id for g in cluster.gpu_types].index(pool.gpu_type)
        return mine

    def stand(
        self,
        problem: Problem,
        row: int,
        free: FloatArray,
        domains: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
        sends: float = 0.0,
    ) -> list[tuple[int, Piece]] | None:
        """Return servers for the pieces of a row, in the first domain that has room; None where there is none.

        That is room for their traffic, too, or else the domain where least of it finds none. Within a domain, pieces go
        where their traffic finds the room, and then where they leave the least.

        Parameters
        ----------
        free
            GPUs, CPU cores, memory and network that are left on each server, shape ``(servers, 4)``.
        sends
            Network rate of each piece, that should find room but need not.
        domains
            Sets of servers for workers and for parameter servers, shape ``(servers,)`` each, in the order to try.
        """
        parts = pieces_of(problem, row)
        found, least = None, np.inf
        for own_servers, ps_servers in domains:
            used = np.zeros(len(self.servers), dtype=bool)
            chosen: list[tuple[int, Piece]] = []
            missing = 0.0
            for piece in parts:
                domain = own_servers if piece.gpus else ps_servers
                fits = (
                    domain & ~used & self.hosts(problem, row, piece) & (free[:, :3] >= piece.takes - _EPS).all(axis=1)
                )
                if piece.gpus == 0:
                    fits &= self._fullest_rack(fits)
                candidates = np.flatnonzero(fits)
                if len(candidates) < piece.count:
                    break
                residual, network = free[candidates, 0] - piece.gpus, free[candidates, 3]
                short = np.round(np.maximum(0.0, sends - network), 6)
                order = np.lexsort((-network if sends else network, residual, short))[: piece.count]
                best = candidates[order]
                missing += float(short[order].sum())
                used[best] = True
                chosen += [(int(server), piece) for server in best]
            else:
                if missing < least:
                    found, least = chosen, missing
                if missing == 0:
                    break
        return found

    def _fullest_rack(self, fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the servers of the rack that has the most of them."""
        counts = np.bincount(self.rack[fits], minlength=int(self.rack.max()) + 1)
        best: NDArray[np.bool_] = self.rack == int(np.argmax(counts))
        return best

    def places(self, placed: Sequence[tuple[int, Piece]]) -> Places:
        """Return pieces on servers by the servers' names."""
        gpus = {self.servers[s].names[0]: p.gpus for s, p in sorted(placed, key=lambda at: at[0]) if p.gpus}
        servers = {self.servers[s].names[0]: 1 for s, p in sorted(placed, key=lambda at: at[0]) if not p.gpus}
        return Places(gpus, servers)
