"""The all-reduce fit: Jacobian, hand values, robustness, files, transfer, intervals, what to measure next."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from optsched.prediction.curves import AllReduce, Points
from optsched.prediction.curves.allreduce.compress import compress
from optsched.prediction.curves.allreduce.curve import parameters
from optsched.prediction.curves.allreduce.formula import SIZE, step
from optsched.prediction.curves.allreduce.measured import merge
from optsched.prediction.curves.allreduce.population import from_record, generic_prior, prior_for, to_record
from optsched.prediction.curves.allreduce.posterior import fit
from optsched.prediction.curves.allreduce.transfer import (
    EXPECTED,
    effects,
    learn,
    prior_of_others,
    summarize,
    wide_prior,
)
from optsched.prediction.curves.experiment_design import measure_next

THETA = np.array([-3, -3.5, -6, -4, -0.5, -3, -0.7, -1, 0.3, -2, -2, -0.3, 0.2, 0.9])


def grid(seed=0, n=60, **more):
    random = np.random.default_rng(seed)
    nodes = random.integers(1, 6, n)
    return Points.of(nodes * random.integers(1, 5, n), nodes=nodes, local_batch=random.integers(4, 500, n), **more)


def seconds(points, theta=THETA):
    return np.exp(step(theta, points, jacobian=False).log_time)


def curve(points, step_s, prior=None, sync_s=None):
    return compress(fit(merge(points, step_s, sync_s), prior or generic_prior()))


def test_jacobian_equals_differences():
    points = grid(accumulation=np.random.default_rng(1).integers(1, 4, 60))
    at = step(THETA, points)
    for i in range(SIZE):
        e = np.zeros(SIZE)
        e[i] = 1e-6
        up, down = step(THETA + e, points), step(THETA - e, points)
        np.testing.assert_allclose((up.log_time - down.log_time) / 2e-6, at.jacobian[:, i], atol=1e-7)
        np.testing.assert_allclose((up.log_compute - down.log_compute) / 2e-6, at.compute_jacobian[:, i], atol=1e-7)


def test_physical_parameters_are_the_free_ones():
    made = AllReduce(**parameters(THETA))
    np.testing.assert_allclose(made.theta, THETA, rtol=1e-9)
    np.testing.assert_allclose(made.step_seconds(grid()), seconds(grid()), rtol=1e-12)


def test_one_gpu_by_hand():
    sharp = AllReduce(floor_s=0.05, pass_s=0.01, example_s=0.001, corner=400.0)
    steps = sharp.step_seconds(Points.of([1, 1], nodes=1, local_batch=[100, 10]))
    np.testing.assert_allclose(steps, [0.11, 0.05], rtol=1e-6)


def test_throughput_never_falls_with_bandwidth_and_hosts_limit_it():
    fitted = msgspec.structs.replace(curve(grid(), seconds(grid())), reference_gbps=10.0, host_s_per_gbit=0.1)
    rates = fitted.throughput(Points.of(8, nodes=4, local_batch=32, gbps=np.geomspace(0.1, 4000, 50)))
    assert np.all(np.diff(rates) >= 0)
    assert rates[-1] == pytest.approx(rates[-2], rel=1e-3)


def test_outliers_and_duplicates_do_not_bend_a_curve():
    random = np.random.default_rng(0)
    points = grid(n=120)
    measured = seconds(points) * np.exp(0.02 * random.standard_normal(120))
    measured[::17] *= 8.0
    twice = points.take(np.tile(np.arange(120), 2))
    fitted = curve(twice, np.tile(measured, 2))
    error = np.abs(np.log(fitted.step_seconds(grid(5)) / seconds(grid(5))))
    assert np.median(error) < 0.05
    assert np.all(fitted.log_deviation(grid(5)) > 0)


def test_a_file_keeps_the_predictions_and_fits_are_deterministic():
    points = grid()
    one, two = (curve(points, seconds(points), sync_s=np.full(60, 0.001)) for _ in range(2))
    text = msgspec.json.encode(one)
    assert text == msgspec.json.encode(two)
    again = msgspec.json.decode(text, type=AllReduce)
    np.testing.assert_array_equal(again.throughput(grid(3)), one.throughput(grid(3)))
    np.testing.assert_array_equal(again.log_deviation(grid(3)), one.log_deviation(grid(3)))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_no_row_one_row_and_equal_rows(n):
    points = Points.of(np.full(n, 4.0), nodes=np.full(n, 2.0), local_batch=np.full(n, 32.0))
    fitted = curve(points, np.full(n, 0.3), sync_s=np.full(n, np.nan))
    elsewhere = fitted.log_deviation(grid(2))
    assert np.isfinite(fitted.throughput(grid(2))).all()
    assert np.isfinite(elsewhere).all()
    if n:
        np.testing.assert_allclose(np.log(fitted.step_seconds(points)), np.log(0.3), atol=0.02)
        assert fitted.log_deviation(points).max() < elsewhere.mean()


def population(noise=0.03):
    """Return measured pairs whose parameters differ by an effect of the model and one of the GPU type."""
    random = np.random.default_rng(4)
    of_model, of_type = (0.4 * random.standard_normal((n, SIZE)) for n in (4, 3))
    points = grid(7, 80)
    return {
        (f"m{m}", f"g{g}"): (THETA + of_model[m] + of_type[g], points, noise * random.standard_normal(80))
        for m in range(4)
        for g in range(3)
    }


def test_relatives_make_three_rows_tell_more():
    pairs = population()
    held = ("m3", "g2")
    known = {p: merge(x, seconds(x, t) * np.exp(e)) for p, (t, x, e) in pairs.items() if p != held}
    learned = from_record(to_record(learn(summarize(known))))
    theta, points, noise = pairs[held]
    few = np.array([3, 30, 60])
    measured = (seconds(points, theta) * np.exp(noise))[few]
    asked = grid(11, 300)
    errors = {}
    for name, prior in (("alone", generic_prior()), ("with relatives", prior_for(learned, *held))):
        fitted = curve(points.take(few), measured, prior)
        errors[name] = float(np.mean(np.abs(np.log(fitted.step_seconds(asked) / seconds(asked, theta)))))
    assert errors["with relatives"] < 0.7 * errors["alone"]


def test_effects_are_those_of_one_large_gaussian():
    """The first round of EM against the dense system in which each pair's own effect stands, too."""
    random = np.random.default_rng(3)
    pairs = [("m0", "g0"), ("m0", "g1"), ("m1", "g0"), ("m2", "g1")]
    factors = random.standard_normal((4, SIZE, 9))
    told = [(f @ f.T, random.standard_normal(SIZE)) for f in factors]
    generic = generic_prior()
    mean, covariance, _ = effects(pairs, told, generic, rounds=1)
    scales = [1.0] + 3 * [EXPECTED[0]] + 2 * [EXPECTED[1]] + 4 * [EXPECTED[2]]
    precision = np.kron(np.diag(1 / np.array(scales)), np.linalg.inv(generic.covariance))
    linear = np.zeros(10 * SIZE)
    linear[:SIZE] = np.linalg.solve(generic.covariance, generic.mean)
    for number, ((model, gpu_type), (shown, b)) in enumerate(zip(pairs, told, strict=True)):
        z = np.zeros(10)
        z[[0, 1 + int(model[1]), 4 + int(gpu_type[1]), 6 + number]] = 1
        precision += np.kron(np.outer(z, z), shown)
        linear += np.kron(z, b)
    dense = np.linalg.inv(precision)
    np.testing.assert_allclose(mean, (dense @ linear)[: 6 * SIZE], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(covariance, dense[: 6 * SIZE, : 6 * SIZE], rtol=1e-6, atol=1e-8)


def test_what_others_say_of_a_pair_is_what_is_learned_without_it():
    pairs = {p: merge(x, seconds(x, t) * np.exp(e)) for p, (t, x, e) in population().items()}
    said = summarize(pairs)
    held = ("m1", "g2")
    direct = prior_for(learn([s for s in said if s.pair != held]), *held)
    prior = prior_of_others(said, held)
    points = grid(5)
    fitted = [curve(points.take(slice(0, 3)), seconds(points)[:3], p) for p in (prior, direct)]
    np.testing.assert_array_equal(fitted[0].throughput(points), fitted[1].throughput(points))
    np.testing.assert_array_equal(prior.covariance, direct.covariance)


def test_a_gpu_type_may_be_faster_than_all_known_ones():
    pairs = population()
    learned = learn(summarize({p: merge(x, seconds(x, t) * np.exp(e)) for p, (t, x, e) in pairs.items()}))
    theta = pairs["m0", "g0"][0] - 2.0 * np.isin(np.arange(SIZE), [0, 1, 2, 3, 5])
    theta[5] -= 2.0
    points, asked = grid(2, 3), grid(11, 300)
    fitted = curve(points, seconds(points, theta), prior_for(learned, "m0", "newer"))
    assert np.mean(np.abs(np.log(fitted.step_seconds(asked) / seconds(asked, theta)))) < 0.07


def test_a_few_rows_of_every_model_tell_of_a_gpu_type_together():
    """A new type that is faster, and its network more so: what one model's rows say of it helps the others."""
    pairs = population()
    faster = 2.0 * np.isin(np.arange(SIZE), [0, 1, 2, 3, 5]) + 2.0 * (np.arange(SIZE) == 5)
    new = {(f"m{m}", "newer"): (pairs[f"m{m}", "g0"][0] - faster, grid(30 + m, 2)) for m in range(4)}
    table = {p: merge(x, seconds(x, t) * np.exp(e)) for p, (t, x, e) in pairs.items()}
    few = {p: merge(x, seconds(x, t)) for p, (t, x) in new.items()}
    asked = grid(11, 300)
    off = {}
    for name, more in (("alone", {}), ("together", few)):
        said = summarize(table | more)
        off[name] = []
        for pair, (theta, _) in new.items():
            fitted = compress(fit(few[pair], prior_of_others(said, pair)))
            off[name].append(np.abs(np.log(fitted.step_seconds(asked) / seconds(asked, theta))).mean())
    assert np.mean(off["together"]) < 0.6 * np.mean(off["alone"])
    assert np.mean(off["together"]) < 0.05


def test_what_no_pair_was_measured_for_is_unsure():
    pairs = {}
    for (model, gpu_type), (theta, _, _) in population().items():
        points = Points.of(np.tile([1, 2, 4], 8), nodes=1, local_batch=np.geomspace(4, 500, 24))
        pairs[model, gpu_type] = merge(points, seconds(points, theta))
    said = summarize(pairs)
    prior = wide_prior(learn(said), "m0", "g0")
    fitted = compress(fit(pairs["m0", "g0"], prior))
    one, three = fitted.log_deviation(Points.of([4, 12], nodes=[1, 3], local_batch=32))
    assert one < 0.1
    assert three > 0.5


def test_the_interval_holds_about_four_in_five():
    pairs = population(noise=0.08)
    inside = []
    for number, (theta, points, noise) in enumerate(pairs.values()):
        fitted = curve(points.take(slice(0, 40)), (seconds(points, theta) * np.exp(noise))[:40])
        asked = grid(20 + number, 100)
        new = asked.examples() / (
            seconds(asked, theta) * np.exp(0.08 * np.random.default_rng(number).standard_normal(100))
        )
        low, high = fitted.interval(asked)
        inside.append(np.mean((new >= low) & (new <= high)))
    assert 0.7 <= np.mean(inside) <= 0.95


def test_the_next_measurement_is_where_nothing_is_known():
    one_node = Points.of(np.ones(4), nodes=1, local_batch=[16, 32, 64, 128])
    fitted = curve(one_node, np.array([0.1, 0.12, 0.15, 0.2]))
    candidates = Points.of([1, 8, 8], nodes=[1, 1, 4], local_batch=32)
    chosen, left = measure_next(fitted, candidates, 3)
    assert set(chosen[:2]) == {1, 2}
    assert np.all(np.diff(left) < 0)
