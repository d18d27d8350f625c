"""A small cluster of two GPU types, and jobs on it, as a caller would write them."""

from __future__ import annotations

from typing import Any

CLUSTER = {
    "gpu_types": [{"id": "a"}, {"id": "b"}],
    "servers": [
        {"id": "a", "count": 2, "gpu_type": "a", "gpus": 4},
        {"id": "b", "count": 1, "gpu_type": "b", "gpus": 4},
    ],
}
CURVES = {
    "m/a": {"family": "amdahl", "single": 1.0, "serial": 0.1},
    "m/b": {"family": "amdahl", "single": 2.0, "serial": 0.2},
}


def job(name: str, **more: Any) -> dict[str, Any]:
    """Return a job of at most four GPUs of either type."""
    base = {
        "id": name,
        "curves": {"a": "m/a", "b": "m/b"},
        "max_gpus": 4,
        "remaining_examples": 1000.0,
        "restart_s": 30,
    }
    return base | more


def kinds(plan: Any) -> dict[str, str]:
    """Return the kind of each job's action."""
    names = ("start", "stop", "move", "resize", "keep", "wait")
    return {action.job: name for name in names for action in getattr(plan, name)}
