"""Where a run took place: versions, the machine, and the memory of processes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

from optsched import __version__
from optsched.problem.formulation import FORMULATIONS

__all__ = ["locked", "machine", "peak_memory", "versions"]

_AROUND = ("bench", "cli")
"""Parts of optsched that are no part of what is measured."""
_SOLVERS = ("highspy", "ortools", "pyomo", "numpy")


@cache
def versions() -> dict[str, str]:
    """Return the versions that an outcome depends on; that of optsched ends in a hash of its sources."""
    found = {"optsched": f"{__version__}+{_sources()}", "python": platform.python_version()}
    for name in _SOLVERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def _sources() -> str:
    """Return a hash of the sources of optsched and of every package that offers formulations."""
    packages = {"optsched", *(point.module.partition(".")[0] for point in FORMULATIONS.points)}
    digest = hashlib.sha256()
    for package in sorted(packages):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for file in sorted(Path(folder).rglob("*.py")):
                if file.relative_to(folder).parts[0] not in _AROUND:
                    digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:8]


@cache
def machine() -> dict[str, Any]:
    """Return the machine: the CPU's model, cores that this process may use, memory (GB of 1e9 bytes), system."""
    cpu, memory = platform.processor() or platform.machine(), None
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    with suppress(OSError, ValueError):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"cpu": cpu, "cores": cores, "ram_gb": memory, "system": f"{platform.system()} {platform.release()}"}


def locked(file: BinaryIO) -> bool:
    """Lock a file for this process alone; False where another one has it. Where there are no locks, take it."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_SWITCHES = "voluntary_ctxt_switches"
"""How often a process began to wait: a solver's that was not asked for anything did not do so again."""
_EVERY = 0.02
"""Seconds between two looks at the memory of processes: solvers may be gone by the end."""


@contextmanager
def peak_memory(others: Callable[[], list[int]]) -> Iterator[Callable[[], float | None]]:
    """Watch the memory of this process and of others while the context lasts.

    Parameters
    ----------
    others
        Ids of the other processes, asked again and again; those that only wait all the time do not count.

    Yields
    ------
    Callable
        Returns the MB of 1e6 bytes: the sum of each process's own peak; None where the system does not say.
    """
    idle = {pid: _status(pid, _SWITCHES) for pid in others()}
    peaks: dict[int, float] = {}
    since: dict[int, str] = {}
    over = threading.Event()

    def look() -> None:
        for pid in (os.getpid(), *others()):
            if pid not in since:
                since[pid] = _peak_begins(pid)
            if pid in idle and _status(pid, _SWITCHES) == idle[pid]:
                continue
            if now := 1024.0 * _status(pid, since[pid]):
                peaks[pid] = max(now, peaks.get(pid, 0.0))

    def context() -> None:
        while not over.wait(_EVERY):
            look()

    look()
    thread = threading.Thread(target=context, daemon=True, name="optsched-memory")
    thread.start()

    def peak() -> float | None:
        look()
        return sum(peaks.values()) / 1e6 if peaks else None

    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _peak_begins(pid: int) -> str:
    """Let a process's peak begin now; return what to read: its peak, or its size where that cannot be."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return "VmRSS"
    return "VmHWM"


def _status(pid: int, field: str) -> int:
    """Return a number of a process, sizes in units of 1024 bytes; 0 where there is none."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    return 0
