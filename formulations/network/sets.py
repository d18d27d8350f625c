"""Options: the sets and parameters of :mod:`formulations.network.formulation`, cut from the table of configurations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray
from optsched.instance.topology import Crossing, Room, ServerClass, canonical
from optsched.problem.configurations import server_numbers
from optsched.problem.placement.servers import pieces_of
from optsched.problem.problem import Problem

__all__ = ["Kind", "Options", "options"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Kind:
    """Pieces of one job that are alike: ``gpus`` workers of a pool, or one parameter server (0) in a site.

    starred
        Whether they belong to rows with parameter servers.
    fits
        Classes whose servers can hold one, shape ``(classes,)``.
    takes
        GPUs, CPU cores and memory of one.
    sends
        Network rate of one where the rate of its options is given; 0 where it is to be decided, or there is none.
    """

    job: int
    pool: int
    gpus: int
    starred: bool
    site: str
    fits: Bools
    takes: tuple[float, float, float]
    sends: float


@dataclass(frozen=True)
class Options:
    """The sets and parameters as arrays: ``o`` options (rows in domains), ``n`` entries (pieces of options by kind).

    classes, crossings, domains
        K, E and D; a domain is a set of classes, shape ``(domains, classes)``.
    row, domain, fixed
        Of each option, shape ``(o,)``; ``fixed``: it stands where the job stands now.
    kinds
        Of pieces.
    option, kind, count, share
        Of each entry: the option has ``count`` pieces of ``kind``, each sending ``share`` times its rate; ``(n,)``.
    rated
        Options whose job is assigned a rate, shape ``(o,)`` of bool.
    slow, fast
        Least and greatest rate, shape ``(o,)``; nan where there is none.
    ring
        Options that synchronize by a ring, shape ``(o,)`` of bool.
    held
        Where pieces of fixed options stand: (option, kind, class, count).
    """

    classes: tuple[ServerClass, ...]
    crossings: tuple[Crossing, ...]
    domains: Bools
    row: IntArray
    domain: IntArray
    fixed: Bools
    kinds: tuple[Kind, ...]
    option: IntArray
    kind: IntArray
    count: IntArray
    share: FloatArray
    rated: Bools
    slow: FloatArray
    fast: FloatArray
    ring: Bools
    held: tuple[tuple[int, int, int, int], ...]

    @cached_property
    def sizes(self) -> IntArray:
        """Servers of each class, shape ``(classes,)``."""
        return np.array([len(c) for c in self.classes], dtype=np.int64)

    def rack(self, place: int) -> str:
        """Return the rack of a class, by its site."""
        return f"{self.classes[place].site}/{self.classes[place].rack}"


def options(problem: Problem, *, merge: bool = True, split: bool = True) -> Options:
    """Return the options of a problem.

    Without ``merge`` every server is a class of its own; without ``split`` the site is the only domain.
    """
    instance, table = problem.instance, problem.configurations
    room = problem.room or Room.of(instance)
    room = room if merge else room.apart()
    classes, links = room.classes, room.crossings if instance.decides == "network" else ()
    domains, domains_of = _domains(replace(room, crossings=links))
    sizes = np.array([len(c) for c in classes])
    hosts = _Hosts(problem, classes)
    found: list[tuple[int, int, bool]] = []
    entries: list[tuple[int, int, int, float]] = []
    held: list[tuple[int, int, int, int]] = []
    for row in range(len(table)):
        job, columns = int(table.job[row]), table.columns
        pool = table.pools[columns.pool[row]]
        parts, servers = hosts.parts(row), int(columns.servers[row])
        holds = instance.jobs[job].holds
        fixed = bool(table.kept[row]) and holds is not None and bool(holds.placement or holds.server_placement)
        stands = hosts.standing(job, parts) if fixed else []
        if any(not hosts.kinds[kind].fits[place] for kind, place, _ in stands):
            continue  # what is held cannot stand where it does
        here = np.zeros(len(classes), dtype=bool)
        here[[place for _, place, _ in stands]] = True
        in_domains = domains_of.get((pool.site, None if servers else pool.gpu_type), [])
        if np.isnan(columns.gbps[row]) or not split or (fixed and servers):
            in_domains = in_domains[-1:]
        elif fixed:
            in_domains = [domain for domain in in_domains if not (here & ~domains[domain]).any()][:1]
        for domain in in_domains:
            # each piece stands on a server of its own
            if any((sizes * (domains[domain] & hosts.kinds[k].fits)).sum() < n for k, n, _ in parts):
                continue
            if (sizes * domains[domain]).sum() < sum(n for _, n, _ in parts):
                continue
            entries += [(len(found), k, n, s) for k, n, s in parts]
            held += [(len(found), *entry) for entry in stands]
            found.append((row, domain, fixed))
    rows = np.array([row for row, _, _ in found], dtype=np.int64)
    parts_of = np.array(entries, dtype=np.float64).reshape(-1, 4).T
    rated = ~np.isnan(table.columns.gbps[rows])
    return Options(
        classes=classes,
        crossings=links,
        domains=domains,
        row=rows,
        domain=np.array([domain for _, domain, _ in found], dtype=np.int64),
        fixed=np.array([fixed for _, _, fixed in found], dtype=bool),
        kinds=tuple(hosts.kinds),
        option=parts_of[0].astype(np.int64),
        kind=parts_of[1].astype(np.int64),
        count=parts_of[2].astype(np.int64),
        share=parts_of[3],
        rated=rated,
        slow=table.slowest[rows],
        fast=table.columns.gbps[rows],
        ring=rated & (table.columns.servers[rows] == 0),
        held=tuple(held),
    )


def _domains(room: Room) -> tuple[Bools, dict[tuple[str, str | None], list[int]]]:
    """Return sets of classes, ``(domains, classes)``, and their numbers by (site, None) and (site, type of GPUs).

    A job that stands on one type of GPUs has no part in the rest of a domain. Small ones come first, the whole last.
    """
    places, of_site = room.domains()
    number: dict[bytes, int] = {}
    found = {}
    for site, own in of_site.items():
        here = [c.gpu_type for c in room.classes if c.site == site]
        for gpu_type in dict.fromkeys((None, *here)):
            typed = np.array([gpu_type in (None, c.gpu_type) for c in room.classes])
            domains = dict.fromkeys(domain.tobytes() for domain in places[own] & typed if domain.any())
            found[site, gpu_type] = [number.setdefault(domain, len(number)) for domain in domains]
    return np.array([np.frombuffer(domain, dtype=np.bool_) for domain in number]).reshape(-1, len(room.classes)), found


_LITTLE = 0.05
"""Part of its greatest rate below which what a row sends at the least does not count."""


class _Hosts:
    """Looks up, and makes, the kinds of pieces of each row."""

    def __init__(self, problem: Problem, classes: tuple[ServerClass, ...]) -> None:
        self.kinds: list[Kind] = []
        self._problem, self._classes = problem, classes
        self._number: dict[tuple[int, int | str, int, bool, float, int], int] = {}
        self._listed = [server_numbers(problem.instance, c.names) for c in classes]
        self._class_of = {name: number for number, c in enumerate(classes) for name in c.names}

    def parts(self, row: int) -> list[tuple[int, int, float]]:
        """Return (kind, count, share of the rate that each sends) of a row."""
        table = self._problem.configurations
        columns = table.columns
        gpus, servers = (int(a[row]) for a in (columns.gpus, columns.servers))
        most, slow, fast = max(gpus, servers), float(table.slowest[row]), float(columns.gbps[row])
        rate = slow if slow >= _LITTLE * fast else 0.0
        found = []
        for piece in pieces_of(self._problem, row):
            of_worker = piece.gpus * servers / most if servers else 1.0
            share = of_worker if piece.gpus else gpus / most
            found.append((self._kind(row, piece.gpus, servers > 0, share * rate), piece.count, share))
        return found

    def standing(self, job: int, parts: list[tuple[int, int, float]]) -> list[tuple[int, int, int]]:
        """Return (kind, class, count) of the pieces that a job holds now on known servers."""
        instance = self._problem.instance
        holds = instance.jobs[job].holds
        assert holds is not None
        kind_of = {self.kinds[k].gpus: k for k, _, _ in parts}
        stands = [(kind_of[count], name) for name, count in (holds.placement or {}).items()]
        stands += [(kind_of[0], name) for name in holds.server_placement or ()]
        return [(kind, self._class_of[canonical(instance, name)], 1) for kind, name in stands]

    def _kind(self, row: int, gpus: int, starred: bool, sends: float) -> int:
        instance, table = self._problem.instance, self._problem.configurations
        job, pool = int(table.job[row]), int(table.columns.pool[row])
        here, stand = table.pools[pool], -1 if table.stand is None else int(table.stand[row])
        key = (job, pool if gpus else here.site, gpus, starred, round(sends, 9), stand)
        if key not in self._number:
            owner = instance.jobs[job]
            ps = owner.parameter_servers
            cores, memory = (
                (owner.cpu_cores_per_gpu * gpus, owner.memory_gb_per_gpu * gpus)
                if gpus
                else (ps.cpu_cores, ps.memory_gb)
                if ps
                else (0.0, 0.0)
            )
            fits = [
                c.site == here.site
                and (gpus == 0 or (c.gpu_type == here.gpu_type and gpus <= c.gpus))
                and cores <= c.cpu_cores * (1 + 1e-9)
                and memory <= c.memory_gb * (1 + 1e-9)
                and (stand < 0 or bool(table.may_host(row, self._listed[number]).all()))
                for number, c in enumerate(self._classes)
            ]
            self._number[key] = len(self.kinds)
            takes = (float(gpus), cores, memory)
            owned = pool if gpus else -1
            self.kinds.append(Kind(job, owned, gpus, starred, here.site, np.array(fits), takes, round(sends, 9)))
        return self._number[key]
