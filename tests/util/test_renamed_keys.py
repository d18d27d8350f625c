"""Keys with a new name: the former one is read, said once, and named by errors as it stands in the file."""

from __future__ import annotations

import json
import logging

import pytest

import optsched
from optsched._util import renamed_keys
from optsched.errors import InputError
from tests.support.builders import instance, job


def text(**changes: object) -> str:
    """Return an instance file with one job, whose current allocation has the former keys."""
    record = json.loads(json.dumps({"format": "optsched/1", "jobs": [], "cluster": CLUSTER}))
    held = {"gpu_type": "v", "gpus": 1, "servers": 2, **changes}
    listed = [{"gpu_type": "v", "gpus": 1, "throughput": 1.0, "servers": 2}]
    record["jobs"] = [{"id": "a", "configurations": listed, "holds": held, "restart_s": 5.0}]
    return json.dumps(record)


CLUSTER = {"gpu_types": [{"id": "v"}], "servers": [{"id": "s", "gpu_type": "v", "gpus": 4}]}


@pytest.fixture(autouse=True)
def _unsaid():
    renamed_keys._say.cache_clear()


def test_former_and_present_keys_are_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="optsched"):
        former = optsched.loads(text())
    assert sorted(record.args for record in caplog.records) == [("holds", "current"), ("servers", "parameter_servers")]
    present = optsched.loads(text().replace('"servers": 2', '"parameter_servers": 2').replace("holds", "current"))
    assert former == present
    assert former.jobs[0].holds is not None
    assert former.jobs[0].holds.servers == 2
    assert former.cluster.servers[0].id == "s"


def test_files_are_written_with_present_keys(tmp_path) -> None:
    optsched.save(optsched.loads(text()), tmp_path / "i.json")
    (one,) = json.loads((tmp_path / "i.json").read_text())["jobs"]
    assert one["current"]["parameter_servers"] == one["configurations"][0]["parameter_servers"] == 2
    assert "holds" not in one


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"gpu_type": "w"}, "$.jobs[0].holds.gpu_type"),
        ({"servers": -1}, "$.jobs[0].holds.servers"),
        ({"placement": {"x": 1}}, "$.jobs[0].holds.placement"),
        ({"colour": "red"}, "$.jobs[0].holds"),
    ],
)
def test_errors_name_the_key_of_the_file(changes: dict[str, object], path: str) -> None:
    with pytest.raises(InputError) as caught:
        optsched.loads(text(**changes))
    assert caught.value.path == path


def test_a_key_under_both_names_is_refused() -> None:
    both = text().replace('"restart_s"', '"current": null, "restart_s"')
    with pytest.raises(InputError, match="no key 'holds'"):
        optsched.loads(both)


def test_a_doubled_key_is_refused_still() -> None:
    with pytest.raises(InputError, match="every key of an object once"):
        optsched.loads(text().replace('"restart_s": 5.0', '"restart_s": 5.0, "restart_s": 6.0'))


def test_python_keeps_its_fields() -> None:
    case = instance(job("a", holds={"gpu_type": "v", "gpus": 1}))
    assert case.jobs[0].holds is not None
