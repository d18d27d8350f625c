"""Work on other processes and machines, behind one interface: ``concurrent.futures.Executor``.

None works in this process. A pool of processes, ``distributed.Client.get_executor()`` of dask, and
:class:`RayExecutor` are executors; any other executor can be passed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

__all__ = ["Blocks", "RayExecutor", "local_pool"]

T = TypeVar("T")


def local_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of processes of this machine.

    They are spawned, since a fork of a process with threads may hang: a script that calls this needs the
    guard ``if __name__ == "__main__"``.
    """
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


class RayExecutor(Executor):
    """Tasks of Ray as an executor: on its cluster, if one is connected to, else on this machine.

    Parameters
    ----------
    options
        Of ``ray.init``, where Ray is not yet initialized; it is then shut down with the executor.
    """

    def __init__(self, **options: Any) -> None:
        import ray

        self._ray = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            ray.init(**{"include_dashboard": False, "log_to_driver": False, "logging_level": "error", **options})
        self._task = ray.remote(_called)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` as a task."""
        future: Future[T] = self._task.remote(fn, args, kwargs).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect, if the executor connected."""
        if self._mine and self._ray.is_initialized():
            self._ray.shutdown()


def _called(fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    return fn(*args, **kwargs)


class Blocks:
    """Blocks of data that are worked on again and again, and travel no more often than they must.

    A task names its block. Workers keep those that they were sent; one that lacks a block says so, and is sent
    it with the next try. So every executor serves, whichever worker it hands a task to.
    """

    def __init__(self, executor: Executor, blocks: Sequence[Any]) -> None:
        self._executor = executor
        self._blocks = blocks
        self._name = uuid.uuid4().hex

    def __len__(self) -> int:
        return len(self._blocks)

    def map(self, function: Callable[..., Any], each: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return ``function(block, *arguments)`` of each block with its arguments, in their order."""
        tries = [self._try(k, None, function, arguments) for k, arguments in enumerate(each)]
        found: list[Any] = []
        for k, (future, arguments) in enumerate(zip(tries, each, strict=True)):
            has, value = future.result()
            if not has:
                _, value = self._try(k, self._blocks[k], function, arguments).result()
            found.append(value)
        return found

    def _try(
        self, k: int, block: Any, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> Future[tuple[bool, Any]]:
        return self._executor.submit(_on_block, self._name, k, block, function, arguments)


_kept: dict[str, dict[int, Any]] = {}
_MOST = 2
"""Sets of blocks that a worker keeps: of the current run, and of another one."""


def _on_block(
    name: str, k: int, block: Any, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[bool, Any]:
    """Run a function on a block, sent along or kept; (False, None) where there is neither."""
    mine = _kept.setdefault(name, {})
    if block is not None:
        mine[k] = block
    while len(_kept) > _MOST:
        del _kept[next(iter(_kept))]
    if k not in mine:
        return False, None
    return True, function(mine[k], *arguments)
