"""Memory of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optsched.bench.machine import machine, peak_memory, versions

BUSY = "import sys\nfor _ in sys.stdin:\n    x = b'x' * 40_000_000; del x; print(flush=True)"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say")
def test_peaks_of_those_that_work() -> None:
    """What was freed again counts; a process that only waits does not, and neither does what was before."""
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def work() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            while "State:\tS" not in Path(f"/proc/{process.pid}/status").read_text():
                pass  # until it waits again

        work()
        with peak_memory(lambda: [process.pid]) as peak:
            waiting = peak()
        with peak_memory(lambda: [process.pid]) as peak:
            work()
            working = peak()
        with peak_memory(list) as peak:
            block = b"x" * 60_000_000
            del block
            freed = peak()
        process.stdin.close()
    assert waiting is not None
    assert working is not None
    assert freed is not None
    assert working > waiting + 40
    assert freed > waiting + 50


def test_what_a_run_depends_on() -> None:
    assert versions()["optsched"].partition("+")[2]
    assert versions() == versions()
    assert machine()["cores"] >= 1
