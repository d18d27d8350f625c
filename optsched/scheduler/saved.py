"""The file of a scheduler."""

from __future__ import annotations

from typing import Literal

import msgspec

from optsched.instance import Cluster, Limit, ObjectiveSpec, Tenant
from optsched.prediction.curves import Curve
from optsched.scheduler.state import State

__all__ = ["Saved"]


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scheduler's settings, by the names of its arguments, and all that it remembers."""

    format: Literal["optsched-scheduler/1"]
    cluster: Cluster
    curves: dict[str, Curve] = {}
    objective: ObjectiveSpec
    round_s: float
    horizon_s: float | None
    decides: Literal["counts", "placement", "network"]
    max_moves: int | None
    tenants: tuple[Tenant, ...] = ()
    limits: tuple[Limit, ...] = ()
    grow: float | None
    gap: float
    hysteresis: float
    time_limit_s: float | None
    state: State
