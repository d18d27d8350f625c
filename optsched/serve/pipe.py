"""JSON lines: one request a line on the standard input, one answer a line on the standard output.

A request is ``{"id": ..., "method": ..., "params": {...}}``, an answer ``{"id": ..., "result": ...}`` or
``{"id": ..., "error": {"type": ..., "message": ..., ...}}``. Answers come in the order of the requests.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from optsched.serve.service import RequestError, Service

__all__ = ["MOST_BYTES", "answered", "serve_lines"]

MOST_BYTES = 64_000_000
"""The longest request."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line."""

    method: str
    id: str | int | None = None
    params: dict[str, Any] = {}


def serve_lines(service: Service, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends."""
    while line := requests.readline(MOST_BYTES + 1):
        if len(line) > MOST_BYTES and not line.endswith(b"\n"):
            while (rest := requests.readline(MOST_BYTES)) and not rest.endswith(b"\n"):
                pass
            answer = _failed(None, RequestError("input", f"a request may have at most {MOST_BYTES} bytes"))
        elif not line.strip():
            continue
        else:
            answer = answered(service, line)
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()


def answered(service: Service, line: bytes) -> dict[str, Any]:
    """Return the answer to one line, whatever stands in it."""
    try:
        request = msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _failed(None, RequestError("input", f"a request must be a line of JSON: {error}"))
    try:
        return {"id": request.id, "result": service.answer(request.method, request.params)}
    except RequestError as failure:
        return _failed(request.id, failure)


def _failed(number: str | int | None, failure: RequestError) -> dict[str, Any]:
    return {"id": number, "error": failure.record()}
