"""Pictures of fitted curves: each point stands with the line of its own batch and placement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optsched._util.plotting import spec_of
from optsched.prediction import fit, read_measurements
from optsched.prediction.curves.plot import plot
from tests.support import measured


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the specifications of the pictures of some measured curves."""
    kept: list[Any] = []
    table: Path = tmp_path_factory.mktemp("curves") / "measured.csv"
    measured.write(table)
    measurements = read_measurements(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optsched.prediction.curves.plot.write_picture", lambda chart, *_: kept.append(chart))
        plot(fit(measurements), measurements, table)
    return list(spec_of(kept[0])["concat"])


def values(chart: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    return list(chart["layer"][layer]["data"]["values"])


def test_no_point_stands_on_a_curve_of_another_placement(charts: list[dict[str, Any]]) -> None:
    assert charts
    for chart in charts:
        lines, points = values(chart, 1), values(chart, 3)
        for point in points:
            line = {one["gpus"]: one for one in lines if one["placement"] == point["placement"]}
            assert point["gpus"] in line
            assert min(line) >= int(point["placement"].partition(" ")[0])  # at least a GPU a node
            fitted = line[point["gpus"]]["rate"]
            assert abs(np.log(point["rate"] / fitted)) < 0.35


def test_titles_name_the_batch_and_placements_have_a_legend(charts: list[dict[str, Any]]) -> None:
    titles = [chart["title"] for chart in charts]
    assert len(set(titles)) == len(titles)
    assert all("examples/GPU" in title for title in titles)
    domains = {tuple(chart["layer"][1]["encoding"]["color"]["scale"]["domain"]) for chart in charts}
    assert len(domains) == 1  # a colour means the same placement in every picture
