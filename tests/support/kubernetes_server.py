"""An emulated API server of Kubernetes with some objects, for the official client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

RESOURCES = {
    "Node": "v1/nodes",
    "Pod": "v1/pods",
    "Workload": "kueue.x-k8s.io/v1beta1/workloads",
    "ClusterQueue": "kueue.x-k8s.io/v1beta1/clusterqueues",
    "LocalQueue": "kueue.x-k8s.io/v1beta1/localqueues",
    "ResourceFlavor": "kueue.x-k8s.io/v1beta1/resourceflavors",
}


@contextmanager
def serving(objects: list[dict[str, Any]]) -> Iterator[tuple[Any, str]]:
    """Serve objects, and yield the emulator and the server's address."""
    import kmock

    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        async with kmock.KubernetesEmulator() as emulator, kmock.Server(emulator) as server:
            for resource in RESOURCES.values():
                emulator.resources[resource] = {}
            for one in objects:
                meta = one["metadata"]
                emulator.objects[RESOURCES[one["kind"]], meta.get("namespace"), meta["name"]] = one
            found.update(emulator=emulator, url=str(server.url))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield found["emulator"], found["url"].rstrip("/")
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()
