"""The command line. Commands return their exit codes, and import what they need when they run."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any

import typer

from optsched import __version__
from optsched.cli.commands.bench import report, run
from optsched.cli.commands.explain import audit, explain
from optsched.cli.commands.federate import federate
from optsched.cli.commands.library import generate, instances
from optsched.cli.commands.list import formulations, objectives, schema
from optsched.cli.commands.pareto import pareto
from optsched.cli.commands.predict import fit, predict, profile_plan
from optsched.cli.commands.schedule import schedule
from optsched.cli.commands.share import share
from optsched.cli.commands.solve import check, export, solve
from optsched.cli.output import say

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
    fit,
    predict,
    profile_plan,
    generate,
    instances,
    objectives,
    formulations,
    schema,
)
_BENCH: tuple[Callable[..., int], ...] = (run, report)


def main() -> None:
    """Run the command line, and leave the process."""
    _leave(answer(sys.argv[1:]))


def answer(arguments: Sequence[str]) -> int:
    """Run a command; return 0 for success, 1 for a negative answer, 2 for bad input, 130 after an interrupt."""
    from optsched.errors import OptschedError

    code = 0
    interrupted: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        _APP(list(arguments), prog_name="optsched")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.__context__, BrokenPipeError):  # whoever read the output has enough: no negative answer
            code = 128 + signal.SIGPIPE
        elif end.__context__ is not None and isinstance(end.__context__.__cause__, KeyboardInterrupt):
            say("interrupted before there was an answer", error=True)
    except OptschedError as error:
        say(f"error: {error}", error=True)
        code = 2
    except (KeyboardInterrupt, ImportError):
        if not interrupted:  # an interrupt can surface as an import that failed
            raise
        say("interrupted before there was an answer", error=True)
        code = 130
    finally:
        signal.signal(signal.SIGINT, before)
    return code


def _leave(code: int) -> None:
    """Exit, also where a solver's thread was left behind, which the interpreter would wait for in vain."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
        add_completion=False,
        pretty_exceptions_enable=False,
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
