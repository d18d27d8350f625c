"""Advice: the configuration that is recommended, its alternatives, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optsched.advise import Advice, advise
from optsched.advise.memory import Footprint, memory_gb
from optsched.advise.nearest import Facts
from optsched.advise.offers import Offer
from optsched.advise.work import Work
from optsched.errors import InputError
from optsched.prediction.curves import Points
from optsched.prediction.curves.fit import fit
from optsched.prediction.curves.fitted import CurveFile
from optsched.prediction.curves.measurements import read_measurements
from tests.support import measured

OFFERS = (
    Offer("t4", "t4", np.full(4, 4), 0.5, 16.0),
    Offer("v100", "v100", np.full(2, 8), 2.2, 32.0),
)
WORK = Work(2e6, known=True)


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> CurveFile:
    table = measured.write(tmp_path_factory.mktemp("advise") / "measured.csv")
    return fit(read_measurements(table), family="allreduce", cross_validate=False)


def assert_no_option_beats_another(advice: Advice) -> None:
    keys = [(o.time_s, o.gpu_hours if o.cost is None else o.cost, o.risk or 0.0) for o in advice.front]
    for k, mine in enumerate(keys):
        assert not any(all(a <= b for a, b in zip(other, mine, strict=True)) for j, other in enumerate(keys) if j != k)


def test_cost_is_price_times_the_time_held(curves: CurveFile) -> None:
    advice = advise(curves, "bert", work=WORK, offers=OFFERS)
    assert_no_option_beats_another(advice)
    assert advice.recommended in advice.front
    prices = {offer.gpu_type: offer.hourly_price for offer in OFFERS}
    for option in advice.front:
        price = prices[option.gpu_type]
        assert price is not None
        assert option.cost == pytest.approx(option.gpus * price * option.time_s / 3600)
        assert option.time_s == pytest.approx(2e6 / option.throughput_examples_s)
        assert option.time_low_s < option.time_s < option.time_high_s
        assert option.risk is None


def test_every_configuration_is_looked_at(curves: CurveFile) -> None:
    """The cheapest and the fastest are those of a search over all counts, servers and batches."""
    advice = advise(curves, "bert", work=WORK, offers=OFFERS[:1])
    curve = next(f.curve for f in curves.curves if f.name == "bert/t4")
    shapes = [(g, n) for g in range(1, 17) for n in range(1, 5) if n <= g <= 4 * n]
    points = Points.of(*np.array(shapes).T[:1], nodes=np.array(shapes).T[1], local_batch=12)
    seconds = 2e6 / curve.throughput(points)
    assert advice.front[0].time_s == pytest.approx(seconds.min())
    assert min(o.cost or 0.0 for o in advice.front) == pytest.approx((seconds * points.gpus).min() * 0.5 / 3600)


def test_with_a_deadline_the_cheapest_that_keeps_it(curves: CurveFile) -> None:
    free = advise(curves, "bert", work=WORK, offers=OFFERS)
    middle = free.front[len(free.front) // 2].time_s
    advice = advise(curves, "bert", work=WORK, offers=OFFERS, deadline_s=middle)
    best = advice.recommended
    assert best.risk is not None
    assert best.risk <= 0.1
    sure = [o for o in advice.front if o.risk is not None and o.risk <= 0.1]
    assert best.cost == min(o.cost or 0.0 for o in sure)
    assert "deadline" in advice.reason


def test_with_a_budget_the_fastest_that_keeps_it(curves: CurveFile) -> None:
    free = advise(curves, "bert", work=WORK, offers=OFFERS)
    costs = sorted(o.cost or 0.0 for o in free.front)
    advice = advise(curves, "bert", work=WORK, offers=OFFERS, budget=1.2 * costs[0])
    best = advice.recommended
    assert best.cost is not None
    assert best.cost <= 1.2 * costs[0]
    sure = [o for o in advice.front if o.risk is not None and o.risk <= 0.1]
    assert best.time_s == min(o.time_s for o in sure)


def test_what_cannot_be_kept_is_said(curves: CurveFile) -> None:
    advice = advise(curves, "bert", work=WORK, offers=OFFERS, deadline_s=60.0)
    assert "no configuration keeps the deadline of 1 min" in advice.reason
    assert advice.recommended.risk == pytest.approx(1.0)


def test_without_prices_the_fastest(curves: CurveFile) -> None:
    advice = advise(curves, "bert", work=WORK, offers=[replace(offer, hourly_price=None) for offer in OFFERS])
    assert advice.recommended == advice.front[0]
    assert advice.recommended.cost is None
    with pytest.raises(InputError, match="--budget"):
        advise(curves, "bert", work=WORK, budget=3.0)


def test_rows_of_a_table_are_ranked(curves: CurveFile, tmp_path: Path) -> None:
    table = tmp_path / "among.csv"
    rows = ["bert,v100,1,4,12,", "bert,v100,2,16,12,", "bert,t4,1,1,12,", "ncf,t4,1,1,512,", "bert,v100,1,2,12,5000"]
    table.write_text("\n".join(["model,gpu_type,nodes,gpus,local_batch,throughput_examples_s", *rows]) + "\n")
    advice = advise(curves, "bert", work=WORK, among=table)
    assert advice.candidates == 4
    assert (advice.recommended.line, advice.recommended.measured) == (6, True)
    assert advice.recommended.row["gpus"] == "2"
    table.write_text("gpu_type,nodes,gpus,local_batch\nv100,1,4,12\nv100,2,16,12\n")
    assert advise(curves, "bert", among=table).recommended.gpus == 16
    table.write_text("model,gpu_type,nodes,gpus,local_batch\nbert,v100,1,4,12\n")
    with pytest.raises(InputError, match="rows of model 'ncf'"):
        advise(curves, "ncf", among=table)


def test_one_measured_row_is_enough(curves: CurveFile, tmp_path: Path) -> None:
    table = measured.write(tmp_path / "one.csv", ["vgg,t4,1,1,8,40"])
    more = fit(read_measurements(table), earlier=curves)
    advice = advise(more, "vgg", work=WORK, offers=OFFERS)
    assert advice.recommended.gpus > 1
    assert len(advice.measure) == 2
    assert any("not measured on v100" in note for note in advice.notes)


def test_a_model_without_measurements_has_a_wide_interval(curves: CurveFile) -> None:
    known = advise(curves, "bert", work=WORK, offers=OFFERS).recommended
    advice = advise(curves, "new", work=WORK, offers=OFFERS, facts=Facts(330.0, 100.0))
    guess = advice.recommended
    assert guess.time_high_s / guess.time_low_s > 3 * known.time_high_s / known.time_low_s
    assert any("not measured" in note and "bert" in note for note in advice.notes)
    blind = advise(curves, "new", work=WORK, offers=OFFERS).recommended
    assert blind.time_high_s / blind.time_low_s > guess.time_high_s / guess.time_low_s


def test_what_limits_and_what_would_help(curves: CurveFile) -> None:
    advice = advise(curves, "ncf", work=WORK, offers=OFFERS[:1], max_gpus=8)
    shares = {limit.name: limit.share for limit in advice.limits}
    assert shares["compute"] + shares.get("communication", 0.0) == pytest.approx(1.0, abs=1e-3)
    assert [lever.factor for lever in advice.levers] == sorted((x.factor for x in advice.levers), reverse=True)
    assert all(lever.factor > 1 and "times as fast" in lever.text for lever in advice.levers)


def test_global_batches_are_kept(curves: CurveFile) -> None:
    advice = advise(curves, "bert", work=WORK, offers=OFFERS, global_batches=[96])
    assert {option.global_batch for option in advice.front} == {96.0}
    assert all((option.local_batch or 0.0) <= 12 for option in advice.front)


def test_what_does_not_fit_is_left_out_with_its_number(curves: CurveFile) -> None:
    footprint = Footprint(parameters_m=340.0, activation_gb=1.0)
    advice = advise(curves, "bert", work=WORK, offers=OFFERS[:1], footprint=footprint)
    assert all((option.local_batch or 0.0) * 1.0 + 340e6 * 16 / 1e9 + 1 <= 16 for option in advice.front)
    assert any("do not fit" in text and "of 16 GB" in text and "checkpointing" in text for text in advice.left_out)
    with pytest.raises(InputError, match="fits the memory"):
        advise(curves, "bert", offers=OFFERS[:1], footprint=Footprint(parameters_m=9000.0))


def test_memory_is_counted() -> None:
    points = Points.of([1, 8], nodes=1, local_batch=4)
    plain = memory_gb(Footprint(1000.0, 0.5), points)
    assert plain == pytest.approx([16 + 2 + 1, 16 + 2 + 1])
    sharded = memory_gb(Footprint(1000.0, 0.5, shard=3, checkpointing=True), points)
    assert sharded == pytest.approx([16 + 0.5 + 1, 2 + 0.5 + 1])
