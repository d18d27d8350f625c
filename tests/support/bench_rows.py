"""Rows of tables, made up."""

from __future__ import annotations

from typing import Any

from optsched.bench import Row

__all__ = ["row"]


def row(formulation: str = "one", instance: str = "i", **more: Any) -> Row:
    """Return a run that proved 10.0 in a second, unless something else is said."""
    known: dict[str, Any] = {
        "key": "",
        "instance": instance,
        "fingerprint": instance,
        "jobs": 2,
        "gpus": 4,
        "gpu_types": 1,
        "sites": 1,
        "servers": 1,
        "links": 0,
        "decides": "counts",
        "objective": "progress",
        "sense": "most",
        "formulation": formulation,
        "encoding": "auto",
        "without": "",
        "backend": "highs",
        "seed": 0,
        "threads": 1,
        "time_limit": 10.0,
        "gap": 1e-4,
        "outcome": "done",
        "claimed_status": "optimal",
        "claimed_objective": 10.0,
        "claimed_bound": 10.0,
        "verified_status": "feasible",
        "verified_objective": 10.0,
        "verified_gap": 0.0,
        "total_s": 1.0,
        "trace": ((1.0, 10.0, 10.0),),
        "stopped": "gap",
    }
    made = {**known, **more}
    return Row(**{**made, "key": made["key"] or "-".join(str(made[k]) for k in ("formulation", "instance", "seed"))})
