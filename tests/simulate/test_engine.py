"""The engine, against schedules worked out by hand."""

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.simulate.engine import run
from optsched.simulate.outcome import finish_time_fairness, metrics
from optsched.simulate.tables import tabulate
from optsched.simulate.workload import Application, Maintenance, Pool, Rate, TraceJob, Workload
from optsched.simulate.world import Options
from tests.support.simulated import elastic, play, rigid


def test_fifo_by_hand():
    outcome = play(rigid((0, 2, 10), (1, 4, 5), (2, 2, 8)), "fifo")
    assert outcome.finish == pytest.approx([10, 15, 23])
    found = metrics(outcome)
    assert found["average_completion_s"] == pytest.approx((10 + 14 + 21) / 3)
    assert found["average_queueing_s"] == pytest.approx((0 + 9 + 13) / 3)
    assert found["makespan_s"] == 23
    assert found["utilization"] == pytest.approx((20 + 20 + 16) / (4 * 23))
    assert found["restarts"] == 0


def test_restarts_are_paid_at_each_start():
    workload = rigid((0, 4, 10, {"restart_s": 1.0}), (3, 4, 2, {"restart_s": 1.0}))
    outcome = play(workload, "shortest-remaining")
    # 0-1 start, 1-3 two of ten seconds; 3-4 start, 4-6 the short one; 6-7 start, eight seconds left
    assert outcome.finish == pytest.approx([15, 6])
    assert metrics(outcome)["restarts"] == 1
    assert outcome.lost.tolist() == [8, 4]


def test_what_is_not_saved_is_lost_by_any_stop():
    outcome = play(rigid((0, 4, 10, {"checkpoint_s": None}), (3, 4, 2)), "shortest-remaining")
    assert outcome.finish == pytest.approx([15, 5])
    assert outcome.lost == pytest.approx([12, 0])


def test_rounds_by_time():
    outcome = play(rigid((0, 4, 10), (1, 4, 5)), "fifo", round_s=4.0)
    assert outcome.finish == pytest.approx([10, 17])  # the second starts at 12


def test_stages_of_training():
    app = Application(id="a", rates=(Rate(gpu_type="gpu", gpus=1, rate=(1.0, 2.0)),))
    job = TraceJob(id="j", arrival_s=0, work=8, application="a")
    workload = Workload(
        format="optsched-workload/1", cluster=(Pool(gpu_type="gpu", servers=1),), jobs=(job,), applications=(app,)
    )
    seen = []

    def decide(state):
        seen.append((state.now, float(state.done[0]), int(state.stage[0]), float(state.row_time[0])))
        return np.array([0])

    assert run(tabulate(workload), decide, Options(round_s=1.0)).finish == pytest.approx([6])
    assert seen[2] == (2.0, 0.25, 0, 4.0)
    assert seen[5] == (5.0, 0.75, 1, 1.0)


def test_finish_time_fairness_by_hand():
    outcome = play(rigid((0, 1, 10), (0, 1, 10), gpus=1), "fifo")
    # two jobs share a GPU until 10 s (alone: 20 s); the second sees 1.5 jobs in the mean (15 s)
    assert finish_time_fairness(outcome) == pytest.approx([0.5, 20 / 15])
    assert metrics(outcome)["unfair_fraction"] == 0.5


def test_maintenance_takes_servers_and_jobs_save_first():
    window = Maintenance(gpu_type="gpu", servers=1, begin_s=4, end_s=6)
    outcome = play(rigid((0, 4, 10), maintenance=(window,)), "fifo")
    assert outcome.finish == pytest.approx([12])
    assert outcome.lost.tolist() == [0]


@pytest.mark.parametrize(("checkpoint", "finish"), [(0.0, 0.0), (1e9, 1.0)])
def test_failures_lose_what_was_not_saved(checkpoint, finish):
    workload = rigid((0, 4, 1000, {"checkpoint_s": checkpoint}))
    outcome = play(workload, "fifo", server_mtbf_s=3000.0, repair_s=100.0)
    calm = play(workload, "fifo")
    assert calm.finish[0] == 1000
    failures = int(outcome.starts[0]) - 1
    assert failures >= 0
    if checkpoint == 0:
        assert outcome.finish[0] == pytest.approx(1000 + 100 * failures)
        assert outcome.lost[0] == 0
    else:
        assert outcome.finish[0] == pytest.approx(1000 + 100 * failures + outcome.lost[0] / 4)


def test_the_same_seed_gives_the_same_world():
    workload = elastic(*[({1: 1.0, 2: 1.7, 4: 2.5}, 3000.0)] * 5, restart_s=10.0)
    options = Options(round_s=60, noise=0.3, drift=0.2, server_mtbf_s=5000.0)
    from optsched.simulate.policies import policy

    one, two, other = (run(tabulate(workload), policy("sia"), options, seed=seed) for seed in (1, 1, 2))
    assert one.finish.tolist() == two.finish.tolist()
    assert one.finish.tolist() != other.finish.tolist()


def test_truth_is_learnt_and_not_known_before():
    workload = elastic(({1: 1.0}, 1000.0))
    ratios = []

    def decide(state):
        ratios.append(state.known[0, 0])
        return np.array([0])

    outcome = run(tabulate(workload), decide, Options(round_s=100, bias=0.0, noise=0.5), seed=3)
    assert ratios[0] == 1.0
    assert ratios[1] == pytest.approx(outcome.truth[0, 0])
    ratios.clear()
    run(tabulate(workload), decide, Options(round_s=100, noise=0.5, learn="nothing"), seed=3)
    assert set(ratios) == {1.0}


def test_bias_is_by_doublings():
    outcome = play(elastic(({1: 1.0, 4: 4.0}, 1000.0)), "fifo", bias=-0.1)
    assert outcome.truth[:, 0] == pytest.approx([1.0, 4 * np.exp(-0.2)])


def test_overhead_keeps_the_gpus():
    outcome = play(rigid((0, 4, 10), (0, 4, 5)), "fifo", overhead_s=2.0)
    assert outcome.finish == pytest.approx([10, 17])


def test_horizon_stops():
    found = metrics(play(rigid((0, 4, 10), (0, 4, 50)), "fifo", horizon_s=30.0))
    assert found["finished"] == 1
    assert found["average_completion_s"] == 10


def test_impossible_answers_name_the_policy():
    tables = tabulate(rigid((0, 3, 10), (0, 3, 10)))
    with pytest.raises(InputError, match=r"greedy at 0 s: found 6, expected at most 4 GPUs of gpu"):
        run(tables, lambda state: np.zeros(2, dtype=int), name="greedy")
    with pytest.raises(InputError, match="one whole number for each of 2 jobs"):
        run(tables, lambda state: [0.5], name="odd")
    with pytest.raises(InputError, match="a job that waits or runs"):
        run(tables, lambda state: {"nobody": ("gpu", 3)}, name="named")
    with pytest.raises(InputError, match="jobs left waiting"):
        run(tables, lambda state: {}, name="idle")


def test_answers_by_name():
    outcome = run(
        tabulate(rigid((0, 3, 10), (0, 3, 10))), lambda state: {state.tables.jobs[state.job[0]].id: ("gpu", 3)}
    )
    assert outcome.finish == pytest.approx([10, 20])


def test_restarts_longer_than_rounds_are_refused_and_not_endless(monkeypatch):
    from optsched.simulate import engine

    monkeypatch.setattr(engine, "_PATIENCE", 50)
    tables = tabulate(rigid((0, 4, 10, {"restart_s": 5.0}), (0, 4, 10, {"restart_s": 5.0})))

    def alternate(state):
        rows = np.full(2, -1)
        turn = int(state.now / 4) % 2
        rows[turn] = 0
        return rows

    with pytest.raises(InputError, match="restarts may take all the time"):
        run(tables, alternate, Options(round_s=4.0))


def test_a_job_that_fits_nowhere_is_named():
    with pytest.raises(InputError, match=r"jobs\[0\].*'j0', expected a job that fits the empty cluster"):
        tabulate(rigid((0, 5, 10)))
