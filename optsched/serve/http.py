"""HTTP: ``POST /v1/METHOD`` with the parameters as JSON, ``GET /healthz``, ``/metrics``, ``/openapi.json``, ``/``.

Starlette, since routes, limits and threads are all that is needed of a framework: records are checked by msgspec
already, which a larger framework would do once more.
"""

from __future__ import annotations

import hmac
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from optsched.serve.page import page
from optsched.serve.pipe import MOST_BYTES
from optsched.serve.service import RequestError, Service

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["application"]

STATUS = {"input": 422, "conflict": 409, "unconfigured": 409, "method": 404, "storage": 507, "internal": 500}
"""The status of each kind of failure."""
SAFE = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "cache-control": "no-store"}
"""Headers of the page, which needs no script and nothing from elsewhere."""


def application(service: Service, token: str | None = None, concurrency: int = 8) -> Starlette:
    """Return the application.

    Parameters
    ----------
    token
        What callers must send as ``Authorization: Bearer TOKEN``; None: nothing. Health and metrics ask for none.
    concurrency
        Requests that are worked on at a time; more are refused with 503 at once.
    """
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response
    from starlette.routing import Route

    registry = CollectorRegistry()
    requests = Counter(
        "optsched_requests_total", "Requests by method and status.", ["method", "code"], registry=registry
    )
    seconds = Histogram("optsched_request_duration_seconds", "Time to answer.", ["method"], registry=registry)
    running: set[str] = set()

    def reply(content: Any, status: int, number: str) -> Response:
        body = msgspec.json.encode(content)
        return Response(body, status, {"x-request-id": number}, media_type="application/json")

    async def ask(request: Request) -> Response:
        method, number = request.path_params["method"], request.headers.get("x-request-id") or uuid.uuid4().hex
        known = method if method in service.methods else "unknown"
        began = time.monotonic()
        status, content = await _answer(request, method, number)
        requests.labels(known, str(status)).inc()
        seconds.labels(known).observe(time.monotonic() - began)
        return reply(content, status, number[:200])

    async def _answer(request: Request, method: str, number: str) -> tuple[int, Any]:
        if token is not None and not _allowed(request.headers.get("authorization", ""), token):
            return 401, _error("token", "a bearer token is needed")
        if len(running) >= concurrency:
            return 503, _error("busy", f"{concurrency} requests are being worked on; try again")
        key = uuid.uuid4().hex
        running.add(key)
        try:
            body = await _body(request)
            if body is None:
                return 413, _error("input", f"a request may have at most {MOST_BYTES} bytes")
            try:
                parameters = msgspec.json.decode(body) if body else {}
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                return 400, _error("input", f"the body must be JSON: {error}")
            try:
                return 200, await run_in_threadpool(service.answer, method, parameters)
            except RequestError as failure:
                return STATUS[failure.kind], {"error": failure.record()}
        finally:
            running.discard(key)

    async def health(request: Request) -> Response:
        return reply(service.answer("health", {}), 200, "")

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    async def shown(request: Request) -> Response:
        if token is not None and not _allowed(request.headers.get("authorization", ""), token):
            return reply(_error("token", "a bearer token is needed"), 401, "")
        return Response(page(service.last_plan), media_type="text/html", headers=SAFE)

    async def described(request: Request) -> Response:
        from optsched.serve.openapi import document

        return reply(document(), 200, "")

    return Starlette(
        routes=[
            Route("/", shown),
            Route("/openapi.json", described),
            Route("/v1/{method}", ask, methods=["POST"]),
            Route("/healthz", health),
            Route("/metrics", metrics),
        ]
    )


async def _body(request: Request) -> bytes | None:
    """Return the body; None where it is too long, of which no more is read."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _allowed(header: str, token: str) -> bool:
    """Tell whether a header holds the token, in a time that does not depend on how much of it is right."""
    return hmac.compare_digest(header.encode(), f"Bearer {token}".encode())


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message}}
