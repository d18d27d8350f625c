"""Fits: what they find, what does not bend them, what they refuse."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest

from optsched.errors import InputError
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.parameter_servers import (
    AsyncCapacity,
    AsyncMva,
    Form,
    ParameterServer,
    ServerRows,
    SyncIncast,
    fit_servers,
)
from optsched.prediction.curves.parameter_servers.fit import fit_form, wide_prior
from optsched.prediction.curves.parameter_servers.form import FormBase
from optsched.prediction.curves.parameter_servers.rows import MOST_ROWS, merged
from tests.support.server_measurements import FORMS, data, grid, measured, needs_data, rates

every_form = pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name())


def typical(form: type[FormBase]) -> Form:
    return form.of(wide_prior(form).mean + 0.3)  # type: ignore[return-value]


def miss(curve: ParameterServer, truth: Form, points: Points) -> float:
    return float(np.mean(np.abs(curve.throughput(points) / rates(truth, points) - 1)))


@every_form
def test_finds_its_own_curve_each_time_alike(form: type[FormBase]) -> None:
    rows = measured(typical(form), grid(8))
    mode = "async" if form.name().startswith("async") else "sync"
    got, again = (fit_servers({"m/g": rows}, mode, form.name())["m/g"] for _ in range(2))
    assert got == again
    assert got.chosen == form.name()
    assert got.error < 3
    assert miss(got.curve, typical(form), grid(8)) < 0.03


@every_form
def test_a_spike_does_not_bend_the_curve(form: type[FormBase]) -> None:
    rows = measured(typical(form), grid(8, (2,)))
    spiked = rows.throughput.copy()
    spiked[3] /= 5
    fit = fit_form(form, merged("m", ServerRows(rows.points, spiked), None), wide_prior(form))
    off = np.abs(rates(form.of(fit.z), rows.points) / rows.throughput - 1)  # type: ignore[arg-type]
    assert np.median(off) < 0.1


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_one_row_is_enough_for_a_wide_answer(mode: str) -> None:
    rows = ServerRows(Points.of(2, nodes=2, servers=1, local_batch=8), np.array([100.0]))
    got = fit_servers({"m/g": rows}, mode)["m/g"]  # type: ignore[arg-type]
    assert got.unseen_error is None
    assert got.curve.throughput(rows.points)[0] == pytest.approx(100, rel=0.05)
    low, high = got.curve.interval(Points.of(32, nodes=32, servers=1, local_batch=8))
    assert high[0] > 2 * low[0]
    assert "no other groups" in got.reason


def test_repetitions_make_surer_and_their_median_counts() -> None:
    truth = AsyncMva(example_s=0.01, server_s=0.02, transfer_share=0.8)
    once = measured(truth, grid(4, (1,)))
    often = ServerRows(once.points.take(np.tile(np.arange(4), 9)), np.tile(once.throughput, 9))
    often.throughput[1] *= 7
    single, repeated = (fit_servers({"m/g": r}, "async")["m/g"] for r in (once, often))
    assert repeated.rows == 36
    far = grid(16, (1,))
    assert repeated.curve.throughput(far) == pytest.approx(single.curve.throughput(far), rel=0.05)
    assert np.all(repeated.curve.log_deviation(far) <= single.curve.log_deviation(far) + 1e-9)
    assert all(len(m.posterior.anchors) == 4 for m in repeated.curve.members if m.posterior)


def test_many_rows_are_merged() -> None:
    truth = SyncIncast(fixed_s=0.1, example_s=0.01, update_s=0.2, transfer_s=0.1, worker_s=0.01, sharpness=2.0)
    rows = measured(truth, grid(60, tuple(range(1, 21))), 0.02)
    assert len(merged("m", rows, None)) <= MOST_ROWS < len(rows.throughput)
    got = fit_servers({"m/g": rows}, "sync", "sync-incast")["m/g"]
    assert miss(got.curve, truth, rows.points) < 0.03


def groups(seed: int, models: int, server_s: float = 0.1) -> tuple[dict[str, ServerRows], dict[str, Form]]:
    """Return alike groups, drawn from one population: 1 to 8 workers, one server."""
    draws = np.random.default_rng(seed)
    truth: dict[str, Form] = {
        f"m{i}/g": AsyncCapacity(
            example_s=float(0.05 * np.exp(draws.normal())),
            server_s=float(server_s * np.exp(0.3 * draws.normal())),
            transfer_share=0.5,
            sharpness=4.0,
        )
        for i in range(models)
    }
    points = grid(8, (1,), batch=4.0)
    return {k: measured(f, points, 0.03, seed + i) for i, (k, f) in enumerate(truth.items())}, truth


def part(rows: ServerRows, keep: slice) -> ServerRows:
    chosen = np.arange(len(rows.throughput))[keep]
    return ServerRows(rows.points.take(chosen), rows.throughput[chosen])


def test_the_band_covers_what_it_promises() -> None:
    rows, _ = groups(0, 6)
    inside = []
    for key, got in fit_servers({k: part(r, slice(4)) for k, r in rows.items()}, "async").items():
        held = part(rows[key], slice(4, 8))
        low, high = got.curve.interval(held.points)
        inside.append(np.mean((low <= held.throughput) & (held.throughput <= high)))
    assert 0.7 <= np.mean(inside) <= 1.0


def test_other_groups_help_and_are_reported() -> None:
    rows, truth = groups(5, 6, server_s=1.0)
    one = part(rows["m0/g"], slice(1))
    taught = fit_servers({**rows, "m0/g": one}, "async", only=["m0/g"])
    alone = fit_servers({"m0/g": one}, "async")
    assert list(taught) == ["m0/g"]
    far = grid(16, (1,), batch=4.0)
    assert miss(taught["m0/g"].curve, truth["m0/g"], far) < 0.5 * miss(alone["m0/g"].curve, truth["m0/g"], far)
    assert set(taught["m0/g"].scores) == {"async-mva", "async-capacity", "blend"}
    assert "5 other groups" in taught["m0/g"].reason


def test_a_relative_on_another_gpu_tells_where_the_servers_end() -> None:
    def form(example_s: float, server_s: float) -> Form:
        return AsyncCapacity(example_s=example_s, server_s=server_s, transfer_share=0.5, sharpness=4.0)

    points = grid(8, (1,), batch=1.0)
    known = {
        "a/v100": (0.02, 0.01),
        "b/k80": (0.3, 0.1),
        "c/v100": (0.05, 0.02),
        "b/v100": (0.1, 0.1),
        "a/k80": (0.1, 0.01),
    }
    rows = {key: measured(form(*seconds), points) for key, seconds in known.items()}
    target = measured(form(0.2, 0.02), points.take(np.arange(2)))

    def off(key: str) -> float:
        curve = fit_servers({**rows, key: target}, "async", "async-capacity", only=[key])[key].curve
        return abs(float(np.log(curve.throughput(Points.of(30, nodes=30, servers=1, local_batch=1)) * 0.02)[0]))

    assert off("c/k80") < off("stranger/k80")
    assert off("c/k80") < 0.35


def test_the_unit_of_the_batch_changes_nothing() -> None:
    rows, _ = groups(3, 1)
    ask = grid(20, (1, 2), batch=4.0)

    def larger(points: Points) -> Points:
        return replace(points, local_batch=64 * points.local_batch)

    large = {k: ServerRows(larger(r.points), 64 * r.throughput) for k, r in rows.items()}
    small, big = (fit_servers(r, "async")["m0/g"].curve for r in (rows, large))
    assert big.throughput(larger(ask)) == pytest.approx(64 * small.throughput(ask), rel=1e-6)
    assert big.log_deviation(larger(ask)) == pytest.approx(small.log_deviation(ask), rel=1e-3)


def test_rates_that_were_measured_become_the_reference() -> None:
    truth = AsyncMva(example_s=0.01, server_s=0.02, transfer_share=0.8)
    rows = measured(truth, grid(6))
    rows = ServerRows(replace(rows.points, gbps=np.full(len(rows.throughput), 25.0)), rows.throughput)
    curve = fit_servers({"m/g": rows}, "async")["m/g"].curve
    assert curve.reference_gbps == 25.0
    assert curve.throughput(rows.points) == pytest.approx(curve.throughput(grid(6)))
    assert curve.max_local_batch == 8


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"throughput": np.array([1.0, 0.0])}, "m/g, row 1, throughput: found 0, expected a number > 0"),
        ({"throughput": np.array([1.0, np.inf])}, "found inf"),
        ({"throughput": np.array([1.0])}, "2 throughputs"),
        ({"servers": 0.0}, "row 0, servers"),
        ({"local_batch": np.nan}, "row 0, local_batch"),
        ({"gbps": -1.0}, "row 0, gbps"),
    ],
)
def test_bad_rows_are_refused(change: dict[str, object], named: str) -> None:
    values = {"servers": 1.0, "local_batch": 8.0, "gbps": np.nan, **change}
    rate = values.pop("throughput", np.array([1.0, 2.0]))
    rows = ServerRows(Points.of([1, 2], nodes=1, **values), rate)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=named):
        fit_servers({"m/g": rows}, "async")


def test_unknown_names_are_refused() -> None:
    rows = {"m/g": ServerRows(grid(2, (1,)), np.array([1.0, 2.0]))}
    for arguments, named in (
        ({"mode": "both"}, "'sync' or 'async'"),
        ({"mode": "sync", "form": "async-mva"}, "'sync-capacity'"),
        ({"mode": "sync", "only": ["x"]}, "one of the groups m/g"),
    ):
        with pytest.raises(InputError, match=named):
            fit_servers(rows, **arguments)  # type: ignore[arg-type]


@needs_data
def test_real_asynchronous_rows() -> None:
    table = pl.read_csv(data("async_ps.csv"))
    rows = {
        f"{model}/{gpu}": ServerRows(
            Points.of(g["n_workers"], nodes=g["n_workers"], servers=g["n_ps"], local_batch=1.0),
            g["throughput_steps_s"].to_numpy(),
        )
        for (model, gpu), g in table.group_by("model", "gpu_type", maintain_order=True)
    }
    got = fit_servers(rows, "async")
    assert np.median([f.error for f in got.values()]) < 4
    assert len(msgspec.json.encode(got)) < 1e6
