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
    assert (found["status"], list(found["start"]), list(found["stop"])) == ("unknown", [], [])
    assert {action["job"] for action in found["wait"]} == {"x", "y", "z"}
    assert "ZeroDivisionError" in found["warnings"][0]


def test_the_command_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-m", "optsched", "serve", "--state", str(tmp_path / "state.db")]

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


def test_a_late_step_that_may_be_ignored_keeps_everything_and_leaves_no_trace(monkeypatch):
    service = Service()
    service.answer("configure", CONFIGURE["params"])
    first = service.answer("step", STEP["params"])
    step, release = optsched.Scheduler.step, threading.Event()
    monkeypatch.setattr(optsched.Scheduler, "step", lambda *a, **k: (release.wait(20), step(*a, **k))[1])
    monkeypatch.setattr("optsched.serve.service.GRACE_S", 0.0)
    asked = {"now": 60, "jobs": JOBS, "time_limit_s": 0.2, "ignorable": True}
    found = service.answer("step", asked)
    assert (found["status"], found["version"]) == ("unknown", 1)
    assert {action["job"] for action in found["keep"]} == {"x", "y", "z"}
    held = [(a["job"], a["gpus"], a["gpu_type"]) for a in first["allocations"]]
    assert sorted((a["job"], a["gpus"], a["gpu_type"]) for a in found["allocations"]) == sorted(held)
    assert service.answer("step", asked)["status"] == "unknown"  # one that hangs does not stop the next
    release.set()
    while any(thread.name == "optsched-ignorable" for thread in threading.enumerate()):
        time.sleep(0.01)
    assert service.answer("health", {})["version"] == 1
    service.answer("step", asked | {"time_limit_s": 10})
    assert service.answer("health", {})["version"] == 2
    wrong = service.answer("step", asked | {"version": 77, "time_limit_s": 10})
    assert "version" in wrong["warnings"][0]


def test_a_full_disk_is_told_and_the_state_before_it_goes_on(tmp_path):
    state = tmp_path / "state.db"
    program = f"""
import json, resource, sys
from pathlib import Path
from optsched.serve import Service
service = Service(state=Path({str(state)!r}))
service.answer("configure", {CONFIGURE["params"]!r})
service.answer("step", {STEP["params"]!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
from optsched.serve.service import RequestError
for _ in range(3):
    try:
        service.answer("step", {{"now": 60, "jobs": {JOBS!r}}})
    except RequestError as error:
        assert error.kind == "storage", error
    else:
        raise SystemExit("a plan that was not kept")
assert service.answer("health", {{}})["version"] == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert service.answer("step", {{"now": 60, "jobs": {JOBS!r}, "version": 1}})["version"] == 2
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = Service(state=state)
    assert again.answer("health", {})["version"] == 2
    assert again.answer("plan", {})["version"] == 2


def test_a_file_that_is_no_state_and_one_in_use(tmp_path):
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(optsched.InputError):
        Service(state=tmp_path / "text")
    first = Service(state=tmp_path / "state.db")
    first.answer("configure", CONFIGURE["params"])
    with pytest.raises(optsched.InputError, match="locked"):
        Service(state=tmp_path / "state.db")


def test_the_interface_is_described_by_its_types():
    import inspect

    from optsched.serve.openapi import NEEDED, PARAMETERS, document

    service = Service()
    assert PARAMETERS.keys() == set(service.methods)
    real = {
        "configure": optsched.Scheduler.__init__,
        "step": optsched.Scheduler.step,
        "observe": optsched.Scheduler.observe,
        "admit": optsched.Scheduler.admit,
        "what_if": optsched.Scheduler.what_if,
        **{name: service._methods[name] for name in ("solve", "check", "explain")},
    }
    for name, function in real.items():
        arguments = {key: value for key, value in inspect.signature(function).parameters.items() if key != "self"}
        assert set(arguments) == PARAMETERS[name].keys() - {"ignorable"}
        assert {k for k, v in arguments.items() if v.default is inspect.Parameter.empty} == set(NEEDED.get(name, []))
    told = json.dumps(document())
    references = {line.partition('"')[0] for line in told.split('"#/components/schemas/')[1:]}
    assert references <= document()["components"]["schemas"].keys()


def test_pages(url):
    def get(path, **headers):
        with urllib.request.urlopen(urllib.request.Request(f"{url}{path}", headers=headers)) as reply:
            return reply.read().decode()

    assert json.loads(get("/openapi.json"))["openapi"] == "3.1.0"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get("/")
    allowed = {"authorization": "Bearer secret"}
    assert "no plan yet" in get("/", **allowed)
    by_http(url, "step", {"now": 0, "jobs": [job("<script>alert(1)</script>")]})
    assert "&lt;script&gt;" in (shown := get("/", **allowed))
    assert "<script>" not in shown


def test_a_request_that_is_too_long_is_refused_and_the_next_one_answered(url, monkeypatch):
    monkeypatch.setattr("optsched.serve.http.MOST_BYTES", 10_000)
    assert by_http(url, "step", b" " * 20_000)[0] == 413
    assert by_http(url, "step", STEP["params"])[0] == 200
