"""The same answers by Python, pipe and HTTP; what is no request; and what survives a kill."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import optsched
from optsched.serve import Service
from optsched.serve.pipe import serve_lines
from tests.support.rounds import CLUSTER, CURVES, job

ROOT = Path(__file__).parents[2]
JOBS = [job("x"), job("y", remaining_examples=50.0), job("z")]
CONFIGURE = {"method": "configure", "params": {"cluster": CLUSTER, "curves": CURVES}}
STEP = {"id": 7, "method": "step", "params": {"now": 0, "jobs": JOBS}}


def by_pipe(service, *requests):
    lines = b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in requests)
    out = io.BytesIO()
    serve_lines(service, io.BytesIO(lines), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def url():
    import uvicorn

    from optsched.serve.http import application

    service = Service()
    service.answer("configure", CONFIGURE["params"])
    app = application(service, token="secret", concurrency=20)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def by_http(url, method, body, token="secret", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/v1/{method}", data, {"authorization": f"Bearer {token}", **headers})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.load(reply), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def test_equal_plans_by_python_pipe_and_http(url):
    plan = optsched.Scheduler(CLUSTER, curves=CURVES).step(now=0, jobs=JOBS)
    _, piped = by_pipe(Service(), CONFIGURE, STEP)
    status, over_http, _ = by_http(url, "step", STEP["params"])
    assert status == 200
    assert piped["id"] == 7
    for found in (piped["result"], over_http):
        assert [(a["job"], a["gpus"], a["gpu_type"]) for a in found["allocations"]] == [
            (a.job, a.gpus, a.gpu_type) for a in plan.allocations
        ]
        assert found["value"] == plan.value
        assert {a["job"] for a in found["start"]} == {a.job for a in plan.start}


def test_solve_check_and_explain():
    instance = json.loads((ROOT / "instances" / "quickstart.json").read_bytes())
    service = Service()
    result = service.answer("solve", {"instance": instance, "objective": "progress"})
    assert result["status"] == "optimal"
    asked = {"instance": instance, "allocations": result["allocations"], "objective": "progress"}
    assert service.answer("check", asked)["ok"]
    assert isinstance(
        service.answer("explain", asked | {"jobs": ["bert-4"], "time_limit": 5})[0]["reasons"], list | tuple
    )


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"{", "input"),
        (b"[]", "input"),
        (b"\xff\xfe", "input"),
        (b'{"method": "step", "more": 1}', "input"),
        (b"[" * 100_000, "input"),
        ({"method": "fly"}, "method"),
        ({"method": "step", "params": {"now": 0, "jobs": [job("x", weight="much")]}}, "input"),
        ({"method": "step", "params": {"now": 0, "jobs": [], "speed": 3}}, "input"),
        ({"method": "step", "params": {"now": 0, "jobs": [], "version": 9}}, "conflict"),
        ({"method": "solve", "params": {"instance": {}}}, "input"),
        ({"method": "solve", "params": {}}, "input"),
        ({"method": "configure", "params": {}}, "input"),
    ],
)
def test_what_is_no_request_gets_an_error_and_the_next_one_its_answer(line, kind):
    _, wrong, right = by_pipe(Service(), CONFIGURE, line, STEP)
    assert wrong["error"]["type"] == kind, wrong
    assert right["result"]["status"] == "optimal"


def test_a_step_before_a_cluster_is_known():
    (found,) = by_pipe(Service(), STEP)
    assert found["error"]["type"] == "unconfigured"


def test_http_statuses(url):
    assert by_http(url, "step", STEP["params"], token="guess")[0] == 401
    assert by_http(url, "step", b"{")[0] == 400
    assert by_http(url, "fly", {})[0] == 404
    assert by_http(url, "step", {"now": -1, "jobs": []})[0] == 422
    status, body, headers = by_http(url, "step", {"now": 0, "jobs": [], "version": 3}, **{"x-request-id": "mine"})
    assert (status, body["error"]["version"], headers["x-request-id"]) == (409, 0, "mine")
    with urllib.request.urlopen(f"{url}/healthz") as reply:
        assert json.load(reply)["status"] == "ok"
    with urllib.request.urlopen(f"{url}/metrics") as reply:
        assert b'optsched_requests_total{code="409",method="step"} 1.0' in reply.read()


def test_ten_clients_at_once(url):
    with ThreadPoolExecutor(10) as clients:
        found = list(clients.map(lambda _: by_http(url, "step", STEP["params"])[1], range(20)))
    assert sorted(plan["version"] for plan in found) == list(range(1, 21))
    assert len({json.dumps(sorted((a["job"], a["gpus"]) for a in plan["allocations"])) for plan in found}) == 1


def test_a_plan_that_changes_nothing_where_the_scheduler_fails(monkeypatch):
    service = Service()
    service.answer("configure", CONFIGURE["params"])
    monkeypatch.setattr(optsched.Scheduler, "step", lambda *_, **__: 1 / 0)
    found = service.answer("step", STEP["params"])
    assert (found["status"], found["start"], found["stop"]) == ("unknown", [], [])
    assert "ZeroDivisionError" in found["warnings"][0]


def test_the_command_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-m", "optsched", "serve", "--state", str(tmp_path / "state.json")]

    def started():
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(process, request):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    with started() as first:
        ask(first, CONFIGURE)
        assert len(ask(first, STEP)["result"]["start"]) == 3
        first.kill()
    with started() as second:
        found = ask(second, {"method": "step", "params": {"now": 60, "jobs": JOBS, "version": 1}})
        assert {a["job"] for a in found["result"]["keep"]} == {"x", "y", "z"}
        second.stdin.close()
        assert second.wait() == 0


def test_others_than_this_machine_need_a_token():
    from optsched.cli import answer

    assert answer(["serve", "--http", "0.0.0.0:8000"]) == 2
    assert answer(["serve", "--http", "nowhere"]) == 2
