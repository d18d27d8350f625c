"""The command line. Commands return their exit codes, and import what they need when they run."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any

import typer

from optsched import __version__
from optsched.cli.commands.advise import advise
from optsched.cli.commands.bench import report as bench_report
from optsched.cli.commands.bench import run
from optsched.cli.commands.discover import discover
from optsched.cli.commands.doctor import doctor
from optsched.cli.commands.explain import audit, explain
from optsched.cli.commands.federate import federate
from optsched.cli.commands.kueue import kueue
from optsched.cli.commands.library import generate, instances
from optsched.cli.commands.list import formulations, objectives, schema
from optsched.cli.commands.pareto import pareto
from optsched.cli.commands.predict import fit, predict, suggest_measurements
from optsched.cli.commands.report import report
from optsched.cli.commands.schedule import schedule
from optsched.cli.commands.serve import serve
from optsched.cli.commands.share import share
from optsched.cli.commands.simulate import simulate
from optsched.cli.commands.slurm import slurm
from optsched.cli.commands.solve import check, export, solve
from optsched.cli.deprecated import current
from optsched.cli.output import say, use_standard_output

__all__ = ["answer", "main"]

_COMMANDS: tuple[Callable[..., int], ...] = (
    solve,
    export,
    pareto,
    share,
    check,
    explain,
    audit,
    schedule,
    federate,
    simulate,
    report,
    serve,
    slurm,
    kueue,
    fit,
    predict,
    suggest_measurements,
    advise,
    discover,
    generate,
    instances,
    objectives,
    formulations,
    schema,
    doctor,
)
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
_BENCH: tuple[Callable[..., int], ...] = (run, bench_report)


_CANNOT_WRITE = 74
"""Exit code where the output cannot be written: EX_IOERR of ``sysexits.h``."""


def main() -> None:
    """Run the command line, and leave the process."""
    _reserve_streams()
    _leave(answer(sys.argv[1:]))


def answer(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code.

    0 for success, 1 for a negative answer, 2 for bad input, 74 where the output cannot be written, 128 and the number
    of the signal after an interrupt (SIGINT, SIGTERM) that came before there was an answer.
    """
    from optsched.errors import OptschedError, OutputError

    use_standard_output()
    code = 0
    interrupted: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    words, messages = current(arguments)
    for message in messages:
        say(f"note: {message}; the old word goes with the next release", error=True)
    try:
        _APP(words, prog_name="optsched")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.__context__, BrokenPipeError):  # the reader of the output has closed it: no negative answer
            code = 128 + signal.SIGPIPE
        elif end.__context__ is not None and isinstance(end.__context__.__cause__, KeyboardInterrupt):
            say("interrupted before there was an answer", error=True)
            code = 128 + (interrupted or [signal.SIGINT])[-1]
    except OutputError as error:
        say(f"error: {error}", error=True)
        code = _CANNOT_WRITE
    except OptschedError as error:
        say(f"error: {error}", error=True)
        code = 2
    except BrokenPipeError:
        code = 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        code = _unwritable(error)
    except (KeyboardInterrupt, ImportError):
        if not interrupted:  # an interrupt can surface as an import that failed
            raise
        say("interrupted before there was an answer", error=True)
        code = 128 + interrupted[-1]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _unwritable(error: OSError) -> int:
    """Say that the output cannot be written, and return the exit code."""
    place = f"{error.filename}: " if error.filename else "standard output "
    say(f"error: {place}cannot be written ({error.strerror})", error=True)
    return _CANNOT_WRITE


def _reserve_streams() -> None:
    """Open the standard streams that the caller has closed, so that no file takes their numbers.

    What is written to standard output then fails like anything that cannot be written; messages are lost.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number < 2 else os.O_WRONLY)  # the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _leave(code: int) -> None:
    """Exit, also where a solver's thread was left behind, which the interpreter would wait for in vain."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader of the output has closed it
            code = code or 128 + signal.SIGPIPE
        elif code != _CANNOT_WRITE:
            code = _unwritable(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered goes nowhere
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    if any(thread.name == "optsched-solver" for thread in threading.enumerate()):
        os._exit(code)
    raise SystemExit(code)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"optsched {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def _exit(code: int, **options: Any) -> None:
    raise typer.Exit(code)


def _built() -> typer.Typer:
    """Return the application: what to do with the commands' exit codes, and the commands in the order of the help."""
    app = typer.Typer(
        name="optsched",
        help="Predict how fast training jobs run, decide who gets which GPUs, and prove how good that is.",
        callback=_options,
        result_callback=_exit,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,  # Rich's boxes take twice as long as all the rest of the help
    )
    for command in _COMMANDS:
        app.command()(command)
    bench = typer.Typer(help="Measure formulations, and compare results.", no_args_is_help=True)
    for command in _BENCH:
        bench.command()(command)
    app.add_typer(bench, name="bench")
    return app


_APP = _built()
