"""Limits and progress of a solver run."""

from __future__ import annotations

import time

import pytest

from optsched.solvers import Limits, RunContext
from optsched.solvers.base import Progress


def test_limits_say_what_is_left():
    assert Limits().left() == float("inf")
    assert Limits(deadline=time.monotonic() - 5).left() == 0


def test_progress_is_scaled_and_without_infinities():
    heard: list[Progress] = []
    context = RunContext(Limits(), report=heard.append, scale=0.5)
    context.progress("here", 4.0, 1e30)
    assert (heard[0].stage, heard[0].value, heard[0].bound, heard[0].gap) == ("here", 2.0, None, None)
    context.progress("here", 4.0, 5.0)
    assert heard[1].gap == pytest.approx(0.25)
