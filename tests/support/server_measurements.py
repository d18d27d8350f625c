"""Synthetic measurements of parameter-server training, and the real ones where they stand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.parameter_servers import Form, ParameterServer, ServerRows
from optsched.prediction.curves.parameter_servers.forms import ASYNC_FORMS, SYNC_FORMS

FORMS = [*ASYNC_FORMS, *SYNC_FORMS]

needs_data = pytest.mark.skipif("OPTSCHED_DATA" not in os.environ, reason="OPTSCHED_DATA names no folder")


def data(name: str) -> Path:
    """Return a file of the folder that OPTSCHED_DATA names; skip where it is not there."""
    path = Path(os.environ["OPTSCHED_DATA"]) / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def grid(workers: int, servers: tuple[int, ...] = (1, 2, 4), batch: float = 8.0) -> Points:
    """Return all configurations of up to so many workers, one worker a node."""
    w, p = (x.ravel().astype(float) for x in np.meshgrid(np.arange(1, workers + 1), servers))
    return Points.of(w, nodes=w, servers=p, local_batch=batch)


def rates(form: Form, points: Points) -> FloatArray:
    return ParameterServer(members=(form,)).throughput(points)


def measured(form: Form, points: Points, noise: float = 0.0, seed: int = 0) -> ServerRows:
    """Return what would be measured where a form holds, with lognormal noise."""
    draws = np.random.default_rng(seed).standard_normal(len(points))
    return ServerRows(points, rates(form, points) * np.exp(noise * draws))
