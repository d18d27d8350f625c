"""One file a fault: the error names the file, the path, the value, and what was expected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optsched.errors import InputError
from optsched.instance import load, loads, save
from optsched.instance.result import load_result
from tests.support.builders import instance, job
from tests.support.faulty_files import FAULTS

DATA = Path(__file__).parent / "faults"


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_the_fault_is_named(name):
    path, value, expected = FAULTS[name]
    file = DATA / f"{name}.json"
    with pytest.raises(InputError) as caught:
        load(file)
    error = caught.value
    assert error.file == str(file)
    assert error.path == path
    assert error.value.startswith(value)
    assert bool(error.value) == bool(value)
    assert error.expected.startswith(expected)
    message = str(error)
    assert message.startswith(f"{file}: ")
    assert all(part in message for part in (path, value, expected))
    assert len(message) < 400 + len(str(file))
    assert "\n" not in message


def test_every_file_has_its_line_in_the_table():
    assert {file.stem for file in DATA.iterdir()} == set(FAULTS)
    assert all(file.stat().st_size < 10_000 for file in DATA.iterdir())


def test_a_number_that_is_none_has_its_line_and_column():
    with pytest.raises(InputError, match=r"line 40, column 14") as caught:
        load(DATA / "nan.json")
    line = (DATA / "nan.json").read_text().splitlines()[39]
    assert line[13:].startswith("NaN")
    assert caught.value.path == ""


@pytest.mark.parametrize("start", [b"", b"{", b"["])
def test_fifty_megabytes_of_garbage(tmp_path, start):
    file = tmp_path / "garbage.json"
    file.write_bytes(start + b"\x00\xff7g" * (50 * 2**20 // 4))
    with pytest.raises(InputError) as caught:
        load(file)
    assert caught.value.file == str(file)
    assert "JSON" in str(caught.value) or "object" in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(file))


def test_deep_nesting():
    with pytest.raises(InputError):
        loads(b"[" * 100_000)


def test_a_value_of_any_size_is_shortened():
    with pytest.raises(InputError) as caught:
        loads(b'{"format": "' + b"x" * 1_000_000 + b'"}')
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("reader", [load, load_result])
def test_what_cannot_be_read(tmp_path, reader):
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "none" / "none.json"):
        with pytest.raises(InputError, match="expected a readable file") as caught:
            reader(path)
        assert caught.value.file == str(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_permissions(tmp_path):
    file = tmp_path / "secret.json"
    file.write_bytes(b"{}")
    file.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        load(file)
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        save(instance(job()), tmp_path / "out.json")
    tmp_path.chmod(0o700)


def test_what_cannot_be_written(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "out.json"):
        with pytest.raises(InputError, match="expected a place to write to") as caught:
            save(instance(job()), path)
        assert caught.value.file == str(path)
    assert list(tmp_path.iterdir()) == []


def test_an_instance_is_no_result(tmp_path):
    save(instance(job()), tmp_path / "instance.json")
    with pytest.raises(InputError, match=r"instance\.json: \$"):
        load_result(tmp_path / "instance.json")


def test_errors_are_short_to_people_who_let_them_through(tmp_path):
    """No chain of inner errors hangs on the message."""
    code = "import optsched, sys; optsched.load(sys.argv[1])"
    command = [sys.executable, "-c", code, str(DATA / "wrong_type.json")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "During handling" not in done.stderr
    assert "direct cause" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith("wrong_type.json: $.jobs[0].weight: found 'heavy', expected float")
