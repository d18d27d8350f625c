"""``optsched serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optsched.errors import InputError, shown

__all__ = ["serve"]

_HERE = ("127.0.0.1", "::1", "localhost")


def serve(
    instance: Annotated[
        Path | None, typer.Argument(help="Instance file whose cluster and curves are used.", metavar="[INSTANCE]")
    ] = None,
    http: Annotated[
        str | None, typer.Option(help="HOST:PORT to serve HTTP on; default: JSON lines on standard input and output.")
    ] = None,
    objective: Annotated[str, typer.Option(help="Of the scheduler.")] = "flow-time",
    round_s: Annotated[float, typer.Option(help="Seconds between two steps.")] = 60.0,
    state: Annotated[Path | None, typer.Option(help="Keep the scheduler in this file, and go on from it.")] = None,
    token: Annotated[Path | None, typer.Option(help="File with the token that callers must send.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="HTTP requests that are worked on at a time.")] = 8,
) -> int:
    """Serve scheduler and solver to other programs."""
    import sys

    from optsched.serve import Service

    service = Service(instance, state, objective=objective, round_s=round_s)
    if http is None:
        from optsched.serve.pipe import serve_lines

        serve_lines(service, sys.stdin.buffer, sys.stdout.buffer)
        return 0
    host, _, port = http.rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and int(port) < 65536):
        raise InputError("HOST:PORT", path="--http", value=shown(http))
    if host.strip("[]") not in _HERE and token is None:
        raise InputError("--token FILE, since others than this machine can connect", path="--http", value=shown(http))
    secret = None if token is None else _secret(token)
    try:
        import uvicorn

        from optsched.serve.http import application

        app = application(service, secret, concurrency)
    except ImportError as error:
        raise InputError(f"the packages of optsched[serve] ({error})", path="--http", value=shown(http)) from None
    uvicorn.run(app, host=host.strip("[]"), port=int(port), log_level="warning", access_log=False)
    return 0


def _secret(path: Path) -> str:
    """Return the token in a file."""
    from optsched._util.files import read_bytes

    try:
        found = read_bytes(path).decode().strip()
    except UnicodeDecodeError:
        found = ""
    if not found:
        raise InputError("a token, as text", file=str(path), value="none")
    return found
