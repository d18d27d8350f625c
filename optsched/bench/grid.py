"""Run a grid: in processes, each finished run durably kept, what is there already left out."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path

from optsched._util.executors import local_pool
from optsched._util.files import read_bytes
from optsched.bench.features import features
from optsched.bench.machine import versions
from optsched.bench.measure import measure, skeleton
from optsched.bench.spec import Spec, Task, tasks
from optsched.bench.table import Journal, Row
from optsched.errors import InputError, OptschedError
from optsched.instance import fingerprint, load

__all__ = ["Done", "instance_files", "is_instance", "run"]


_PATIENCE = 3.0
"""Seconds in which processes may end by themselves."""


@dataclass(frozen=True)
class Done:
    """What came of a grid: runs that were there, runs that were made, and whether it was interrupted."""

    kept: int
    made: tuple[Row, ...]
    interrupted: bool

    @property
    def failed(self) -> tuple[Row, ...]:
        """Runs of which nothing came, or whose plans break a rule."""
        return tuple(row for row in self.made if row.outcome == "failed" or row.verified_status == "violated")


def instance_files(names: Sequence[str]) -> dict[str, str]:
    """Return instance files, and those in folders (of ``optsched/1``, at any depth), with short names.

    Raises
    ------
    InputError
        For what does not exist, or a folder without any.
    """
    found: dict[str, str] = {}
    for name in names:
        path = Path(name)
        if not path.is_dir():
            read_bytes(path)
            found.setdefault(str(path), str(path))
            continue
        inside = [p for p in sorted(path.rglob("*.json")) if is_instance(p)]
        if not inside:
            raise InputError("a folder with instance files", file=name)
        found |= {str(p): str(p) for p in inside if str(p) not in found}
    common = _common([Path(p).resolve().parent for p in found])
    return {path: Path(path).resolve().relative_to(common).with_suffix("").as_posix() for path in found}


def is_instance(path: Path) -> bool:
    """Tell whether a file says that it is an instance."""
    with path.open("rb") as stream:
        return b'"optsched/1"' in stream.read(200)


def _common(folders: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all."""
    if not folders:
        return Path.cwd()
    return next(p for p in (folders[0], *folders[0].parents) if all(f.is_relative_to(p) for f in folders))


def run(
    spec: Spec,
    out: Path,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    report: Callable[[int, int, Row], None] | None = None,
) -> Done:
    """Measure what is not in the table yet, and write the table.

    Parameters
    ----------
    out
        Table (``.csv``, ``.parquet``, ``.jsonl``). Runs in it, of the same key, are not made again.
    workers
        Processes at a time; more than idle cores make times longer.
    executor
        Instead of processes of this machine; instance files must be there for its workers under the same names.
    report
        Called after each run with how many are done, of how many, and the last one.

    Returns
    -------
    Done
        After ``Ctrl-C``, too: what was finished by then is in the table.

    Raises
    ------
    InputError
        For an instance, a name or a table that is wrong; before anything is run.
    """
    if not spec.instances:
        raise InputError("at least one instance file", path="instances")
    names = instance_files(spec.instances)
    loaded = {path: load(path) for path in names}
    listed = {path: (name, fingerprint(loaded[path]), loaded[path].objective) for path, name in names.items()}
    found = {path: features(instance) for path, instance in loaded.items()}
    del loaded
    every = list(tasks(spec, listed))
    with Journal(out) as journal:
        there = {row.key for row in journal.rows}
        wanted = [task for task in every if task.key(versions()) not in there]
        made: list[Row] = []
        interrupted = False
        try:
            for task, row in _rows(wanted, workers, executor):
                if isinstance(row, str):
                    row = Row(**skeleton(task, found[task.path]), outcome="failed", reason=row)
                if row.stopped == "interrupted":
                    continue
                journal.append(row)
                made.append(row)
                if report is not None:
                    report(len(made), len(wanted), row)
        except KeyboardInterrupt:
            interrupted = True
    return Done(len(every) - len(wanted), tuple(made), interrupted)


def _rows(wanted: Sequence[Task], workers: int, executor: Executor | None) -> Iterator[tuple[Task, Row | str]]:
    """Yield each task with its row, or why there is none, in the order in which they end."""
    if executor is not None:
        yield from _through(executor, deque(wanted), workers)
        return
    waiting = deque(wanted)
    while waiting:
        suspects: list[Task] = []
        with _pool(workers) as pool:
            yield from _through(pool, waiting, workers, suspects)
        for task in suspects:  # one of them ended its process: each for itself tells which
            alone: list[Task] = []
            with _pool(1) as pool:
                yield from _through(pool, deque([task]), 1, alone)
            if alone:
                yield task, "its process died, perhaps for lack of memory"


def _through(
    pool: Executor, waiting: deque[Task], workers: int, suspects: list[Task] | None = None
) -> Iterator[tuple[Task, Row | str]]:
    """Keep the workers busy; if a process dies, return at once what was in work then as ``suspects``."""
    running: dict[Future[Row], Task] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            task = waiting.popleft()
            with _deaf():
                running[pool.submit(measure, task)] = task
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            try:
                yield task, future.result()
            except BrokenProcessPool:
                if suspects is None:
                    raise
                suspects.append(task)
            except OptschedError as error:
                yield task, str(error)
        if suspects:
            suspects += running.values()
            return


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    """Give a pool whose processes are ended when it is left early, without waiting for runs that do not count."""
    others = set(active_children())
    pool = local_pool(workers)
    try:
        yield pool
    except BaseException:
        mine = set(active_children()) - others
        for process in mine:
            process.terminate()  # which a run takes for Ctrl-C, and its process for the end
        pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + _PATIENCE
        for process in mine:
            process.join(max(0.0, until - time.monotonic()))
            process.kill()
        raise
    pool.shutdown()


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that are started here not hear ``Ctrl-C``, which a terminal tells all: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
