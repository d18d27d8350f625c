"""Durations as people write them."""

from __future__ import annotations

import pytest

from optsched.advise.units import duration, seconds_of
from optsched.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21_600), ("90m", 5400), ("2d", 172_800), ("1h30m", 5400), ("1.5 h", 5400), ("45", 45), ("30 min", 1800)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "6x", "0h", "-3h", "6h7", "nan", "inf", "1e400h", "six hours"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--deadline.*expected a duration"):
        seconds_of(text, "--deadline")


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (720, "12 min"), (23_400, "6.5 h"), (1e5, "27.8 h"), (276_480, "3.2 d")]
)
def test_durations_are_shown(seconds: float, text: str) -> None:
    assert duration(seconds) == text
