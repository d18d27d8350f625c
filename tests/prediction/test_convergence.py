"""Examples to a target, forecasts, arrivals and their chances, staleness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optsched.prediction.convergence import StalenessPrior, fit_staleness, learn_convergence, learn_staleness
from optsched.prediction.convergence.batch_size import BatchPrior, examples_by_gain, examples_needed, odometer
from optsched.prediction.convergence.forecast import History, arrival, chance_by, forecast
from optsched.prediction.convergence.power_law import optimus_curve, power_curve
from optsched.prediction.convergence.runs import examples_to, metric_at, progress_to
from tests.support.training_runs import BASE, family, run


def test_crossings_and_interpolation() -> None:
    whole = run(32)
    assert progress_to(whole, float(whole.metric[7])) == pytest.approx(whole.progress[7])
    assert progress_to(whole, 0.0) == whole.progress[0]
    assert np.isnan(progress_to(whole, 2.0))
    assert np.isnan(examples_to(whole, 2.0))
    assert np.isnan(metric_at(whole, [1e9])).all()
    assert len(whole.until(1000.0)) == 10
    assert whole.until(0.0).now == 0.0


def test_one_run_and_a_true_gain_give_the_truth() -> None:
    source, wanted = run(32), run(512)
    assert examples_by_gain(source, 512, 0.6) == pytest.approx(examples_to(wanted, 0.6), rel=1e-6)
    got = examples_needed([source], np.array([512.0]), 0.6, BatchPrior())
    assert got.examples[0] == pytest.approx(examples_to(wanted, 0.6), rel=0.05)
    assert got.low[0] < got.examples[0] < got.high[0]


def test_history_learns_that_large_batches_are_slow() -> None:
    runs = [run(b, (b / 32) ** 0.15) for b in (32, 64, 128, 256)]
    truth = examples_to(run(1024, 32**0.15), 0.6)
    ours = examples_needed(runs, np.array([1024.0]), 0.6, BatchPrior(slope_sd=0.1, noise=0.03)).examples[0]
    pollux = np.mean([examples_by_gain(r, 1024, 0.6) for r in runs])
    assert abs(ours / truth - 1) < 0.5 * abs(pollux / truth - 1)


def test_a_target_that_no_run_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="no run has reached"):
        examples_needed([run(32)], np.array([64.0]), 2.0, BatchPrior())


def test_odometer_goes_both_ways_and_follows_the_run_that_started() -> None:
    meter = odometer(family(), 512, run(512).until(1000.0))
    at = np.array([0.0, 50.0, 1000.0, 2500.0, 9000.0])
    assert meter.progress(meter.examples(at)) == pytest.approx(at)
    assert meter.examples(run(512).progress) == pytest.approx(run(512).examples, rel=1e-6)


def test_curves_find_their_own() -> None:
    progress = np.arange(1.0, 41.0)
    hyperbola = replace(run(32), progress=progress, metric=1 - 1 / (0.5 * progress + 2))
    assert optimus_curve(hyperbola, np.array([80.0]))[0] == pytest.approx(1 - 1 / 42, abs=2e-3)
    power = replace(run(32), progress=progress, metric=0.9 - 0.5 * progress**-0.5)
    assert power_curve(power, np.array([160.0]))[0] == pytest.approx(0.9 - 0.5 * 160**-0.5, abs=2e-3)


def test_forecast_follows_history() -> None:
    whole = run(512)
    got = forecast(whole.until(1000.0), whole.progress[-1:], family(paces=(1, 1, 1, 1)), History())
    assert got.metric[0] == pytest.approx(whole.metric[-1], abs=1e-3)
    assert got.low[0] <= got.metric[0] <= got.high[0]


def test_forecast_without_earlier_runs_is_the_power_law_and_needs_a_beginning() -> None:
    whole = run(512)
    got = forecast(whole.until(2000.0), whole.progress[-1:], [], History())
    assert got.metric[0] == pytest.approx(whole.metric[-1], rel=0.05)
    with pytest.raises(ValueError, match="nothing is known"):
        forecast(whole.until(0.0), np.array([1.0]), [], History())


def test_arrival_and_its_chance() -> None:
    earlier, whole = family(), run(512)
    start = whole.until(1000.0)
    when = arrival(start, 0.8, earlier, History())
    assert when.progress == pytest.approx(progress_to(whole, 0.8), rel=0.1)
    assert when.low <= when.progress <= when.high
    assert when.chance > 0.5
    by = chance_by(start, 0.8, earlier, History(), np.linspace(500, 4000, 30))
    assert np.all(np.diff(by) >= 0)
    assert by[0] == 0.0  # the run is further already, and has not arrived
    assert chance_by(start, 0.8, earlier, History(), np.array([when.progress]))[0] == pytest.approx(0.5, abs=0.1)


def test_arrival_at_what_was_reached_and_at_what_never_is() -> None:
    earlier, start = family(), run(512).until(1000.0)
    there = arrival(start, 0.3, earlier, History())
    assert there.low == there.progress == there.high <= 1000.0
    assert there.chance == 1.0
    assert list(chance_by(start, 0.3, earlier, History(), np.array([1.0, 1000.0]))) == [0.0, 1.0]
    never = arrival(start, 0.99, earlier, History())
    assert np.isnan(never.progress)
    assert never.low == never.high == 4000.0
    assert never.chance < 0.05
    assert arrival(start, 0.99, [], History(), horizon=900.0).chance == 0.0


def test_far_horizons_and_runs_that_have_not_started() -> None:
    earlier, whole = family(), run(512)
    near = chance_by(whole.until(1000.0), 0.8, earlier, History(), np.array([3000.0]))
    with_far = chance_by(whole.until(1000.0), 0.8, earlier, History(), np.array([3000.0, 1e7]))
    assert with_far[0] == pytest.approx(near[0], abs=0.02)
    assert with_far[1] >= with_far[0]
    fresh = chance_by(whole.until(0.0), 0.8, earlier, History(), np.array([100.0, 4000.0, 1e7]))
    assert np.all(np.diff(fresh) >= 0)
    assert fresh[0] < 0.05
    assert fresh[2] > 0.5


def models() -> dict[str, tuple]:
    return {"m": family(), "a": family("a", (1.2, 1, 1, 0.8)), "b": family("b", (1, 0.9, 1.1, 1.2))}


def test_what_was_learned_answers_in_examples() -> None:
    known = learn_convergence(models())["m"]
    whole = run(512)
    start = whole.until(1000.0)
    assert known.efficiency([BASE, 512.0], 4000.0) == pytest.approx([1.0, 1032 / 1512], rel=1e-3)
    needed = known.needed(0.7, [64, 512])
    assert needed.examples[1] == pytest.approx(examples_to(whole, 0.7), rel=0.1)
    end = known.forecast(start, whole.examples[-1])
    assert end.metric[0] == pytest.approx(whole.metric[-1], rel=0.02)
    when = known.arrival(start, 0.8)
    assert when.low <= when.examples <= when.high
    assert when.examples == pytest.approx(examples_to(whole, 0.8), rel=0.1)
    assert when.epochs == pytest.approx(when.progress.progress / 100, rel=1e-6)
    missing = known.chance_of_missing(start, 0.8, [when.examples / 2, when.examples, 4 * when.examples])
    assert missing[0] > 0.95
    assert missing[0] >= missing[1] >= missing[2]
    assert missing[2] < 0.1


def test_a_loss_is_answered_as_a_loss() -> None:
    losses = {name: tuple(replace(r, sign=-1.0) for r in runs) for name, runs in models().items()}
    gains, lost = learn_convergence(models())["m"], learn_convergence(losses)["m"]
    start = run(512).until(1000.0)
    up, down = gains.forecast(start, 2e6), lost.forecast(replace(start, sign=-1.0), 2e6)
    assert down.metric == pytest.approx(-up.metric)
    assert (down.low[0], down.high[0]) == pytest.approx((-up.high[0], -up.low[0]))
    assert lost.needed(-0.7, 64).examples == pytest.approx(gains.needed(0.7, 64).examples)
    assert lost.arrival(start, -0.8).examples == gains.arrival(start, 0.8).examples


def test_one_model_with_one_run_is_enough() -> None:
    known = learn_convergence({"m": [run(32)]})["m"]
    assert known.needed(0.7, [32]).examples[0] == pytest.approx(examples_to(run(32), 0.7), rel=1e-6)
    start = run(64).until(500.0)
    assert known.forecast(start, 1e5).metric[0] == pytest.approx(float(metric_at(run(32), [2000.0])[0]), rel=0.1)
    assert known.chance_of_missing(start, 0.999, [1e5])[0] > 0.5


def test_learning_is_the_same_each_time_and_may_name_models() -> None:
    first, again = (learn_convergence(models(), only=["m"]) for _ in range(2))
    assert list(first) == ["m"]
    assert (first["m"].history, first["m"].prior) == (again["m"].history, again["m"].prior)


def test_the_band_of_the_end_covers_what_it_promises() -> None:
    draws = np.random.default_rng(0)
    many = {f"m{i}": family(f"m{i}", tuple(np.exp(0.2 * draws.standard_normal(4)))) for i in range(6)}
    inside = []
    for name, runs in many.items():
        for left in runs:
            rest = {**many, name: tuple(r for r in runs if r is not left)}
            got = learn_convergence(rest, only=[name])[name].forecast(left.until(1000.0), left.examples[-1])
            inside.append(bool(got.low[0] <= left.metric[-1] <= got.high[0]))
    assert np.mean(inside) >= 0.7


def test_staleness_line() -> None:
    w = np.array([2.0, 3.0, 4.0])
    fitted = fit_staleness(w, 100 * w**0.5, StalenessPrior(0.5, 0.1, 0.05))
    value, low, high = fitted.predict([8.0])
    assert value[0] == pytest.approx(100 * 8**0.5, rel=1e-6)
    assert low[0] < value[0] < high[0]


def test_staleness_is_shrunk_to_the_other_groups() -> None:
    w = np.array([2.0, 3.0, 4.0, 6.0])
    prior = learn_staleness([(w, a * w**0.6 * np.array([1, 1.02, 0.99, 1.0])) for a in (50, 90, 200)])
    assert prior.exponent == pytest.approx(0.6, abs=0.05)
    one = fit_staleness([2.0], [100.0], prior)  # nothing of its own to say of the slope
    assert one.exponent == pytest.approx(prior.exponent)
    assert learn_staleness([]) == StalenessPrior()
    with pytest.raises(ValueError, match="positive values"):
        fit_staleness([2.0], [0.0], prior)
