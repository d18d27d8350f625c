"""Each policy, against decisions worked out by hand."""

import sys

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.simulate.outcome import metrics
from optsched.simulate.policies import POLICIES, described, policy
from optsched.simulate.workload import Queue
from tests.support.simulated import decisions, elastic, play, rigid

STEEP = {1: 1.0, 2: 1.9, 4: 3.0}
FLAT = {1: 1.0, 2: 1.5, 4: 1.8}


def test_backfill_overtakes_where_the_head_is_not_delayed():
    assert play(rigid((0, 2, 10), (1, 4, 5), (2, 2, 8)), "backfill").finish == pytest.approx([10, 15, 10])


def test_backfill_does_not_delay_the_head():
    assert play(rigid((0, 2, 10), (1, 4, 5), (2, 2, 9)), "backfill").finish == pytest.approx([10, 15, 24])


def test_backfill_uses_what_is_spare_at_the_reservation():
    # the head needs three of four at 10 s: one may be used beyond
    assert play(rigid((0, 3, 10), (1, 3, 5), (2, 1, 100)), "backfill").finish == pytest.approx([10, 15, 102])


def test_remaining():
    jobs = rigid((0, 4, 10), (3, 4, 2))
    assert play(jobs, "shortest-remaining").finish == pytest.approx([12, 5])
    assert play(jobs, "largest-remaining").finish == pytest.approx([10, 12])


def test_tiresias_serves_least_attained_service():
    # after 900 s on 4 GPUs the first has had one GPU hour, and falls behind the second
    outcome = play(rigid((0, 4, 2000), (500, 4, 100)), "tiresias", round_s=100.0)
    assert outcome.finish == pytest.approx([2100, 1000])


def test_optimus_gives_where_time_left_falls_most():
    assert decisions(elastic((STEEP, 100.0), (FLAT, 100.0), gpus=3), "optimus") == [[2, 1]]  # 47 s against 33 s
    assert decisions(elastic((STEEP, 100.0), (FLAT, 1000.0), gpus=3), "optimus") == [[1, 2]]  # 47 s against 333 s


def test_speed_up_gives_where_throughput_rises_most():
    assert decisions(elastic((STEEP, 100.0), (FLAT, 1000.0), gpus=3), "speed-up") == [[2, 1]]  # 0.9 against 0.5
    # over the time left: 0.9 / 1000 against 0.5 / 100
    assert decisions(elastic((STEEP, 1000.0), (FLAT, 100.0), gpus=3), "speed-up-shortest") == [[1, 2]]


def test_afs_prefers_the_shorter_unless_the_longer_gains_more():
    # of the longer: 0.9 / 1.9 = 0.474, against 0.9 of the shorter, and against 0.4
    assert decisions(elastic((STEEP, 100.0), (STEEP, 1000.0), gpus=3), "afs") == [[2, 1]]
    assert decisions(elastic(({1: 1.0, 2: 1.4}, 100.0), (STEEP, 1000.0), gpus=3), "afs") == [[1, 2]]


def test_elasticflow_meets_deadlines_by_the_smallest_share():
    jobs = elastic((FLAT, 100.0), (FLAT, 100.0, {"deadline_s": 70.0}), gpus=3)
    assert decisions(jobs, "elasticflow") == [[1, 2]]
    lost = elastic((FLAT, 100.0), (FLAT, 1000.0, {"deadline_s": 70.0}), gpus=2)
    assert decisions(lost, "elasticflow") == [[1, 1]]


def test_static_takes_what_is_half_efficient():
    assert decisions(elastic(({1: 1.0, 2: 1.6, 4: 1.9}, 100.0)), "static") == [[2]]  # 0.8 and 0.475 a GPU


def test_sia_starts_small_and_doubles():
    jobs = elastic((STEEP, 1000.0))
    assert decisions(jobs, "sia", 3) == [[1], [2], [4]]


def test_sia_by_its_objective():
    """Two jobs that had two GPUs, four in all: 2 + 2 costs 2 x 1.9^-0.5 = 1.45, 4 + 0 costs 3^-0.5 + 1.1 = 1.68."""
    jobs = elastic((STEEP, 1e4), (STEEP, 1e4))
    assert decisions(jobs, "sia", 3) == [[1, 1], [2, 2], [2, 2]]


def test_pollux_shares_equally_between_equals():
    assert decisions(elastic((STEEP, 1e4), (STEEP, 1e4)), "pollux", 3)[-1] == [2, 2]


def test_pollux_weighs_speed_ups():
    """p = -1 of speed-ups over the share of two GPUs: the one that gains nothing from a second gives it up."""
    flat = {1: 1.0, 2: 1.01, 3: 1.02}
    assert decisions(elastic(({1: 1.0, 2: 1.9, 3: 2.7}, 1e4), (flat, 1e4)), "pollux", 4)[-1] == [3, 1]


def test_themis_offers_to_the_worst_off():
    jobs = rigid((0, 1, 1000), (0, 1, 10), gpus=1)
    outcome = play(jobs, "themis", round_s=10.0)
    assert np.isfinite(outcome.finish).all()
    # after a lease of 20 minutes, or the end, it goes to the other
    assert sorted(outcome.finish.tolist()) in ([10, 1010], [1000, 1010])


def test_gavel_shares_time():
    """Two equal jobs on one GPU: each has half of the time, in turns of six minutes."""
    outcome = play(rigid((0, 1, 720), (0, 1, 720), gpus=1), "gavel", round_s=60.0)
    assert sorted(outcome.finish.tolist()) == [1080, 1440]
    assert metrics(outcome)["restarts"] >= 1


def test_gavel_uses_the_type_that_is_best_for_each():
    jobs = elastic(
        ({"a": {1: 4.0}, "b": {1: 1.0}}, 1e4), ({"a": {1: 1.0}, "b": {1: 4.0}}, 1e4), gpus=1, types=("a", "b")
    )
    outcome = play(jobs, "gavel", round_s=60.0)
    assert outcome.finish[0] == pytest.approx(1e4 / 4.0)


def test_shockwave_deals_a_window():
    """Of a window of 20 rounds of two minutes each of two equal jobs gets ten, which follow each other."""
    outcome = play(rigid((0, 1, 2400), (0, 1, 2400), gpus=1), "shockwave", round_s=60.0)
    assert max(outcome.finish) == 4800
    assert min(outcome.finish) > 2400  # shared, and not one after the other
    turns = [segment.end - segment.begin for segment in outcome.segments]
    assert 1200 in turns


def test_kueue_borrows_and_gives_back():
    queues = tuple(Queue(id=name, cohort="c", quota=2) for name in "ab")
    jobs = [(0, 4, 10, {"queue": "a", "checkpoint_s": None}), (3, 2, 5, {"queue": "b"})]
    outcome = play(rigid(*jobs, queues=queues), "kueue")
    assert outcome.finish == pytest.approx([18, 8])  # preempted at 3, anew from 8


def test_kueue_keeps_the_borrowing_limit():
    queues = (Queue(id="a", cohort="c", quota=2, borrowing=1), Queue(id="b", cohort="c", quota=2))
    jobs = [(0, 2, 10, {"queue": "a"}), (0, 2, 10, {"queue": "a"}), (0, 1, 10, {"queue": "a"})]
    outcome = play(rigid(*jobs, queues=queues), "kueue")
    assert outcome.finish == pytest.approx([10, 20, 10])


def test_kueue_preempts_lower_priority_in_its_queue():
    queues = (Queue(id="a", quota=4),)
    jobs = [(0, 4, 10, {"queue": "a", "priority": 1}), (2, 4, 3, {"queue": "a", "priority": 2})]
    assert play(rigid(*jobs, queues=queues), "kueue").finish == pytest.approx([13, 5])


@pytest.mark.parametrize("name", sorted(POLICIES.found))
def test_every_policy_finishes_every_job(name):
    types = {"a": {1: 2.0, 2: 3.6, 4: 6.0}, "b": {1: 1.0, 2: 1.8, 4: 3.0}}
    jobs = elastic(*[(types, 2000.0 + 500 * k) for k in range(7)], restart_s=20.0, types=("a", "b"))
    outcome = play(jobs, name, round_s=60.0)
    assert np.isfinite(outcome.finish).all()
    assert (outcome.starts >= 1).all()


@pytest.mark.parametrize("name", ["flow-time", "sia", "kueue", "backfill", "gavel"])
def test_failures_are_survived(name):
    jobs = elastic(*[(STEEP, 3000.0)] * 6, restart_s=20.0)
    outcome = play(jobs, name, round_s=60.0, server_mtbf_s=2000.0, gpu_mtbf_s=20000.0, repair_s=300.0)
    assert np.isfinite(outcome.finish).all()


def test_each_names_its_source():
    assert all(text.endswith((".", ",", ":")) or text for _, text in described())
    for name, found in POLICIES.found.items():
        assert found.__doc__, name


def test_a_process_of_any_language(tmp_path):
    script = tmp_path / "policy.py"
    script.write_text(
        """
import json, sys
free, sizes, waiting = {}, {}, []
for line in sys.stdin:
    message, answer = json.loads(line), []
    for event in message["events"]:
        kind, data = event["type"], event["data"]
        if kind == "RESOURCES":
            free = dict(data)
        elif kind == "JOB_SUBMITTED":
            waiting.append(data["job_id"])
            sizes[data["job_id"]] = data["configurations"][0]
        elif kind == "JOB_COMPLETED":
            free[sizes[data["job_id"]]["gpu_type"]] += sizes[data["job_id"]]["gpus"]
    while waiting and sizes[waiting[0]]["gpus"] <= free["gpu"]:
        job = waiting.pop(0)
        free["gpu"] -= sizes[job]["gpus"]
        want = {"job_id": job, "gpu_type": "gpu", "gpus": sizes[job]["gpus"]}
        answer.append({"timestamp": message["now"], "type": "EXECUTE_JOB", "data": want})
    print(json.dumps({"now": message["now"], "events": answer}), flush=True)
"""
    )
    from optsched.simulate.sweeps import once
    from optsched.simulate.tables import tabulate
    from optsched.simulate.world import Options

    outcome = once(
        tabulate(rigid((0, 2, 10), (1, 4, 5), (2, 2, 8))), f"process:{sys.executable} {script}", Options(), 0
    )
    assert outcome.finish == pytest.approx([10, 15, 23])


@pytest.mark.parametrize("command", ["false", "echo hello", "/nowhere/at/all"])
def test_a_process_that_fails_is_named(command):
    from optsched.simulate.sweeps import once
    from optsched.simulate.tables import tabulate
    from optsched.simulate.world import Options

    with pytest.raises(InputError, match=command.replace("/", ".")):
        once(tabulate(rigid((0, 2, 10))), f"process:{command}", Options(), 0)


def test_unknown_names():
    with pytest.raises(InputError, match="expected one of afs"):
        policy("nothing")
    with pytest.raises(InputError, match="a function of a module"):
        policy("json:nothing")
    assert policy("optsched.simulate.policies.fifo:fifo") is policy("fifo")
