"""Rounds against a real Slurm, where one is installed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from optsched.integrations.slurm.client import Client, SlurmError
from optsched.integrations.slurm.companion import Companion
from optsched.scheduler.inputs import curves_of
from tests.support import slurm_cluster
from tests.support.slurm_cluster import PATH, wait_for

pytestmark = pytest.mark.skipif(bool(slurm_cluster.missing()), reason="Slurm is not installed")
CURVES = curves_of(
    {
        "bert/v100": {"family": "amdahl", "single": 10.0, "serial": 0.02},
        "bert/k80": {"family": "amdahl", "single": 2.0, "serial": 0.02},
    }
)
GPT = "optsched application=gpt min_gpus=1 max_gpus=8"
BERT = "optsched application=bert min_gpus=1 max_gpus=8 restart_s=1 remaining_examples=1e7"


@pytest.fixture(scope="module")
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # sockets need short names
    folder.chmod(0o755)
    try:
        with slurm_cluster.running(folder) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def slurm(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    monkeypatch.setenv("PATH", PATH)
    yield cluster
    cluster.clean()


def jobs():
    return {job.id: job for job in Client().queue()}


def runs(*numbers):
    return lambda: all(jobs()[number].state == "RUNNING" and jobs()[number].on for number in numbers)


def test_jobs_start_where_the_plan_has_them_move_and_stop(slurm):
    first = slurm.submit(BERT, "--gpus=1")
    typed = slurm.submit("optsched application=resnet", "--gres=gpu:k80:2")
    other = slurm.submit("nobody's", "--gres=gpu:1", "-w", "n0")
    slurm.call("scontrol", "release", str(other))
    wait_for(runs(other))
    companion = Companion(Client(), CURVES)

    dry = companion.round(dry_run=True)
    assert f"release {first}" in dry.changes.commands
    assert jobs()[first].held

    done = companion.round()
    assert (sorted(done.released), done.refused) == ([first, typed], {})
    wait_for(runs(first, typed))
    assert jobs()[first].on == {"n0": 3, "n1": 4}
    assert jobs()[typed].on == {"n2": 2}
    assert not companion.round().changes.commands

    # one that counts more: the first is requeued onto what is left
    second = slurm.submit(BERT.replace("max_gpus=8", "max_gpus=4 min_gpus=4 weight=1000"), "--gres=gpu:4")
    done = companion.round()
    assert done.refused == {}
    wait_for(runs(first, second, typed))
    assert jobs()[second].on == {"n1": 4}
    assert jobs()[first].on == {"n0": 3}
    assert jobs()[first].restarts == 1
    assert jobs()[other].on == {"n0": 1}
    assert jobs()[typed].restarts == 0


def test_a_drained_node_takes_nothing_new_and_a_vanished_job_hurts_no_other(slurm):
    slurm.call("scontrol", "update", "NodeName=n0", "State=DRAIN", "Reason=test")
    gone, stays = (slurm.submit(BERT.replace("max_gpus=8", "max_gpus=2"), "--gres=gpu:1") for _ in range(2))

    class Vanishing(Client):
        def tell(self, commands):
            if any(command.startswith("update") for command in commands):
                slurm.call("scancel", str(gone))
            return super().tell(commands)

    done = Companion(Vanishing(), CURVES).round()
    assert done.released == (stays,)
    assert gone in done.refused
    wait_for(runs(stays))
    assert "n0" not in jobs()[stays].on
    assert any("n0 takes nothing new" in note for note in done.notes)


def test_a_node_that_drains_keeps_its_job(slurm):
    number = slurm.submit(BERT.replace("max_gpus=8", "max_gpus=4"), "--gres=gpu:1")
    companion = Companion(Client(), CURVES)
    companion.round()
    wait_for(runs(number))
    (node,) = jobs()[number].on
    slurm.call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    slurm.submit(BERT.replace("max_gpus=8", "max_gpus=4 weight=1000"), "--gres=gpu:1")
    done = companion.round()
    assert [action.job for action in done.plan.keep] == [str(number)]
    assert node not in {name for target in done.changes.targets for name in target.on}


def test_an_update_that_is_refused_in_part_is_repeated(slurm):
    number = slurm.submit(BERT, "--gpus=1")

    class Partial(Client):
        updates = 0

        def tell(self, commands):
            if commands and commands[0].startswith("update"):
                self.updates += 1
                if self.updates == 1:
                    commands = [command.replace(" ReqNodeList=", " NoSuchKey=") for command in commands]
            return super().tell(commands)

    client = Partial()
    done = Companion(client, CURVES).round()
    assert (done.released, done.refused, client.updates) == ((number,), {}, 2)


def test_what_a_kill_leaves_is_gone_on_with(slurm):
    class KilledError(Exception):
        pass

    class Dying(Client):
        left = 1

        def tell(self, commands):
            if commands and self.left == 0:
                raise KilledError
            self.left -= bool(commands)
            return super().tell(commands)

    number = slurm.submit(BERT.replace("max_gpus=8", "max_gpus=4"), "--gres=gpu:1")
    with pytest.raises(KilledError):
        Companion(Dying(), CURVES).round()  # updated, and not released
    assert jobs()[number].held
    Companion(Client(), CURVES).round()
    wait_for(runs(number))
    slurm.submit(BERT.replace("max_gpus=8", "min_gpus=8 max_gpus=8 weight=1000"), "--gpus=8")
    with pytest.raises(KilledError):
        Companion(Dying(), CURVES).round()  # requeued, and not placed
    wait_for(lambda: jobs()[number].held)
    done = Companion(Client(), CURVES).round()
    assert len(done.released) == 2


def test_a_controller_that_goes_and_comes_back(slurm):
    number = slurm.submit(BERT.replace("max_gpus=8", "max_gpus=4"), "--gres=gpu:1")
    companion = Companion(Client(timeout_s=3), CURVES)
    companion.round()
    wait_for(runs(number))
    slurm.stop_controller()
    with pytest.raises(SlurmError):
        companion.round()
    slurm.start_controller()
    wait_for(lambda: slurm.call("scontrol", "ping", check=False).count("UP") == 1)
    wait_for(runs(number))
    assert [action.job for action in companion.round().plan.keep] == [str(number)]


def test_rates_in_comments_are_learnt(slurm):
    number = slurm.submit(GPT, "--gpus=1")
    companion = Companion(Client())
    for _ in range(2):
        companion.round()
        wait_for(runs(number))
        gpus = sum(jobs()[number].on.values())
        slurm.call("scontrol", "update", f"JobId={number}", f"Comment={GPT} rate={gpus * 9.5} batch={gpus * 32}")
    done = companion.round(dry_run=True)
    assert gpus == 2
    assert sum(done.changes.targets[0].on.values()) == 4


def test_the_command(slurm, capsys):
    from optsched.cli import answer

    number = slurm.submit("optsched application=bert", "--gres=gpu:2")
    assert answer(["slurm", "--dry-run"]) == 0
    assert f"scontrol release {number}" in capsys.readouterr().out
    assert answer(["slurm"]) == 0
    wait_for(runs(number))
