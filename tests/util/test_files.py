"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optsched._util.files import read_bytes, write_bytes
from optsched.errors import InputError, OutputError, shown


def test_a_file_is_replaced_whole(tmp_path):
    target = tmp_path / "out.json"
    for content in (b"long content", b"short"):
        write_bytes(target, content)
        assert target.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["out.json"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize("place", ["missing/out", "file/out", "directory"])
def test_an_unwritable_place_is_named_and_nothing_is_left(tmp_path, place):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "directory").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="expected a place to write to") as error:
        write_bytes(tmp_path / place, b"content")
    assert str(tmp_path / place) in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_failure_on_the_way_leaves_the_old_content(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.write_bytes(b"old")

    def full(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"out: cannot be written \(No space left on device\)"):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_ordinary_file_stays_what_it_is(tmp_path, kind):
    target = tmp_path / "out"
    if kind == "link":
        target.symlink_to(tmp_path / "real")
    else:
        os.mkfifo(target)
        reader = os.open(target, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes(target, b"new")
    finally:
        if kind == "pipe":
            os.close(reader)
    assert target.is_symlink() if kind == "link" else target.is_fifo()


def test_reading_names_the_file_and_the_reason(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="expected a readable file") as error:
            read_bytes(path)
        assert error.value.file == str(path)


def test_errors_say_place_value_and_expectation():
    error = InputError("a number", path="$.weight", value="'x'").within(file="f.json", path="$.jobs[3]")
    assert str(error) == "f.json: $.jobs[3].weight: found 'x', expected a number"
    assert str(InputError("a number")) == "expected a number"
    assert len(shown("x" * 1000)) == 60
