"""One fixture over every formulation and backend."""

from __future__ import annotations

import pytest

PAIRS = [(name, backend) for name in ("configuration", "allocation") for backend in ("highs", "cpsat", "pyomo")]


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def way(request):
    """Return the arguments of ``solve`` that name a formulation and a backend."""
    return dict(zip(("formulation", "backend"), request.param, strict=True))
