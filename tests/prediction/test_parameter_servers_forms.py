"""What must hold of every form whatever its parameters."""

from __future__ import annotations

import numpy as np
import pytest

from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.parameter_servers import AsyncCapacity, AsyncMva, SyncIncast, SyncSerial
from optsched.prediction.curves.parameter_servers.form import FormBase
from optsched.prediction.curves.parameter_servers.forms import ASYNC_FORMS
from optsched.prediction.curves.parameter_servers.rows import Layout
from tests.support.server_measurements import FORMS, rates

every_form = pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name())


def drawn(form: type[FormBase], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1.5, (100, len(form.PARAMETERS)))


def layout(workers: object, servers: object, network: object = 1.0) -> Layout:
    w, p, b = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, dtype=float)) for x in (workers, servers, network)))
    return Layout(w, p, np.full(w.shape, 32.0), b)


@every_form
def test_bandwidth_never_hurts(form: type[FormBase]) -> None:
    for w, p in ((1, 1), (4, 2), (16, 3), (3, 16)):
        got = form.log_rate(drawn(form, 1), layout(w, p, np.geomspace(0.1, 100, 30)))
        assert got.shape == (100, 30)
        assert np.all(np.isfinite(got))
        assert np.all(np.diff(got, axis=1) >= -1e-9)


@every_form
def test_more_servers_never_hurt(form: type[FormBase]) -> None:
    got = form.log_rate(drawn(form, 2), layout(8, np.arange(1, 33)))
    assert np.all(np.diff(got, axis=1) >= -1e-9)


@pytest.mark.parametrize("form", ASYNC_FORMS, ids=lambda f: f.name())
def test_asynchronous_workers_never_hurt(form: type[FormBase]) -> None:
    got = form.log_rate(drawn(form, 3), layout(np.arange(1, 33), 2))
    assert np.all(np.diff(got, axis=1) >= -1e-9)


@every_form
def test_the_first_parameter_scales_the_rate(form: type[FormBase]) -> None:
    z = drawn(form, 4)
    moved = z + 0.7 * (np.arange(z.shape[1]) == 0)
    at = layout([1, 5, 9], [2, 1, 4])
    assert form.log_rate(moved, at) == pytest.approx(form.log_rate(z, at) - 0.7)


@every_form
def test_parameters_and_numbers_stand_for_each_other(form: type[FormBase]) -> None:
    for z in drawn(form, 5)[:20]:
        assert form.of(z).vector() == pytest.approx(z, abs=1e-9)


@every_form
def test_numbers_out_of_range_make_legal_parameters(form: type[FormBase]) -> None:
    for z in (-200.0, 200.0):
        vector = form.of(np.full(len(form.PARAMETERS), z)).vector()
        assert np.all(np.isfinite(form.log_rate(vector[None, :], layout([1, 8], [1, 4]))))


def test_forms_by_hand() -> None:
    def at(workers: int, servers: int) -> Points:
        return Points.of(workers, nodes=workers, servers=servers, local_batch=10)

    # one worker: 0.1 s to compute 10 examples and 0.04 s at the server
    assert rates(AsyncMva(example_s=0.01, server_s=0.04, transfer_share=0.5), at(1, 1)) == pytest.approx(10 / 0.14)
    # smax_1 = sum: 10 examples / (0.1 / 2 + 0.04)
    slow = AsyncCapacity(example_s=0.01, server_s=0.04, transfer_share=0.5, sharpness=1.0)
    assert rates(slow, at(2, 1)) == pytest.approx(10 / 0.09)
    # 0.1 + 0.1 + 0.2 / 2 + 0.3 (1 + 4 / 2) + 0.01 x 4
    phases = SyncIncast(fixed_s=0.1, example_s=0.01, update_s=0.2, transfer_s=0.3, worker_s=0.01, sharpness=1.0)
    assert rates(phases, at(4, 2)) == pytest.approx(40 / 1.24)
    # 0.2 + (0.2 + 0.3 x 4) (1 / 2 + 0.25)
    amdahl = SyncSerial(fixed_s=0.1, example_s=0.01, update_s=0.2, transfer_s=0.3, serial_share=0.25, sharpness=1.0)
    assert rates(amdahl, at(4, 2)) == pytest.approx(40 / 1.25)


def test_nothing_takes_no_time() -> None:
    free = SyncIncast(fixed_s=0.1, example_s=0.0, update_s=0.0, transfer_s=0.0, worker_s=0.0, sharpness=2.0)
    points = Points.of([1, 8], nodes=1, servers=1, local_batch=10)
    assert rates(free, points) == pytest.approx(np.array([100.0, 800.0]))
