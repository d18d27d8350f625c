"""Ids that would be markup, control codes, HTML, scripts or formulas: every output shows them, none interprets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from optsched.cli.terminal import Terminal, table
from tests.conftest import Run
from tests.support.browser import opened
from tests.support.builders import listed, record

SCRIPT = "</script><img src=x onerror=\"document.title='hacked'\">"
JOBS = [
    "train[v100]",
    "x[/data]",
    "[bold red]b[/bold red]",
    ":smile:",
    "esc\x1b[31m\x1b]0;title\x07",
    "two\nlines\r",
    "c1\x9b31m",
    "rtl\u202e\u2028",
    "=1+1",
    "@SUM(A1)",
    SCRIPT,
    "<!--<script>",
    "{{job}} ${x} `y` %s {0}",
]
SHOWN = {"esc\x1b[31m\x1b]0;title\x07": r"esc\x1b[31m\x1b]0;title\x07", "two\nlines\r": r"two\nlines\r"}
TYPE = "v[/x]\x1b[1m<b>"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return an instance whose ids are all hostile: of jobs, a GPU type, a server, a site, a tenant."""
    jobs = [
        {
            "id": name,
            "configurations": listed(1.0, 1.5, gpu_type=TYPE),
            "remaining_examples": 100.0,
            "deadline_s": 1000.0,
            "tenant": SCRIPT,
        }
        for name in JOBS
    ]
    place = {"id": f"s\x1b[2J{SCRIPT}", "gpu_type": TYPE, "gpus": 9, "site": "m[/y]\n"}
    made = record(*jobs, cluster={"gpu_types": [{"id": TYPE, "hourly_price": 1.0}], "servers": [place]}, curves={})
    made["cluster"]["sites"] = [{"id": "m[/y]\n"}]
    (tmp_path / "hostile.json").write_text(json.dumps(made))
    return tmp_path / "hostile.json"


def plain(text: str) -> bool:
    """Tell whether nothing but printable characters and ends of lines stands in a text."""
    return all(line.isprintable() for line in text.split("\n"))


def no_script(page: Path) -> None:
    """Assert that a page has no more scripts and elements than its own, also when a browser opens it."""
    text = page.read_text()
    assert "<img src=x" not in text
    assert text.endswith("</script>\n</body>\n</html>\n")
    shown = opened(page)
    assert "<img src=x" not in shown.dom
    assert "<title>optsched" in shown.dom
    assert "<svg" in shown.dom
    assert not [line for line in shown.messages if "Error" in line or "Refused" in line], shown.messages


def test_every_command_shows_them(run: Run, hostile: Path, tmp_path: Path) -> None:
    for words in (
        ("solve", "hostile.json", "--out", "plan.json"),
        ("check", "hostile.json", "plan.json"),
        ("explain", "hostile.json", "plan.json", "--time-limit", 2),
        ("audit", "hostile.json", "plan.json", "--time-limit", 2),
        ("share", "hostile.json"),
        ("pareto", "hostile.json", "--objectives", "throughput,cost", "--points", 3),
        ("schedule", "hostile.json", "--formulation", "lists", "--out", "schedule.json"),
        ("export", "hostile.json", "--out", "m.mps"),
        ("solve", "hostile.json", "--json"),
    ):
        done = run(*words)
        assert done.returncode in (0, 1), (words, done.stderr)
        assert plain(done.stdout + done.stderr), words
    said = run("solve", "hostile.json").stdout
    for name in JOBS:
        assert SHOWN.get(name, name).encode("unicode_escape").decode().replace("\\\\", "\\") in said
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["allocations"][0]["gpus"] += 1
    plan["allocations"][1]["job"] = "no\x1b[2Jbody"
    (tmp_path / "broken.json").write_text(json.dumps(plan))
    refused = run("check", "hostile.json", "broken.json")
    assert (refused.returncode, plain(refused.stdout + refused.stderr)) == (1, True)
    assert r"no\x1b[2Jbody" in refused.stdout + refused.stderr
    wrong = json.loads(hostile.read_text())
    wrong["jobs"][1]["id"] = JOBS[4]
    wrong["jobs"][0]["id"] = JOBS[4]
    hostile.write_text(json.dumps(wrong))
    refused = run("solve", "hostile.json")
    assert (refused.returncode, plain(refused.stderr)) == (2, True)


def test_pictures_hold_no_scripts(run: Run, hostile: Path, tmp_path: Path) -> None:
    options = ("--formulation", "lists", "--out", "s.json", "--plot")
    for picture in ("s.html", "s.svg"):
        assert run("schedule", "hostile.json", *options, picture).returncode == 0
    ElementTree.parse(tmp_path / "s.svg")
    assert "<img" not in (tmp_path / "s.svg").read_text()
    no_script(tmp_path / "s.html")


def test_reports_of_benchmarks(run: Run, hostile: Path, tmp_path: Path) -> None:
    name = "=1+1[bold]<img src=x onerror=alert(1)>.json"
    (tmp_path / name).write_bytes(hostile.read_bytes())
    done = run(
        "bench", "run", name, "--out", "t.csv", "--formulations", "configuration,marginal-gain", "--time-limit", 5
    )
    assert done.returncode == 0, done.stderr
    assert "[bold]<img" in done.stdout
    cells = [cell for line in csv.reader(io.StringIO((tmp_path / "t.csv").read_text())) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    shown = run("bench", "report", "t.csv", "--every", "--plot", "t.html")
    assert shown.returncode == 0, shown.stderr
    assert name.removesuffix(".json") in shown.stdout
    no_script(tmp_path / "t.html")


def test_tables_of_predictions(run: Run, tmp_path: Path) -> None:
    names = ["=cmd|' /C calc'!A0", "+m", "-m", "@m", "m[/x]", SCRIPT.replace('"', "'"), "\x1b[31mm"]
    rows = [[m, "v100", 1, g, 8, 100.0 * g**0.9] for m in names for g in (1, 2, 4)]
    out = io.StringIO()
    csv.writer(out).writerows([["model", "gpu_type", "nodes", "gpus", "local_batch", "throughput_examples_s"], *rows])
    (tmp_path / "m.csv").write_text(out.getvalue())
    fitted = run("fit", "m.csv", "--out", "c.json", "--plot", "c.html")
    assert fitted.returncode == 0, fitted.stderr
    assert plain(fitted.stdout + fitted.stderr)
    no_script(tmp_path / "c.html")
    assert run("predict", "c.json", "m.csv", "--out", "p.csv").returncode == 0
    table = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert {row["model"] for row in table} == {"'" + name if name[0] in "=+-@" else name for name in names}
    assert all(float(row["predicted_throughput_examples_s"]) > 0 for row in table)


def test_a_terminal_gets_no_codes_of_others() -> None:
    file = io.StringIO()
    terminal = Terminal(file=file, force_terminal=True, width=200, color_system=None)
    page = table("job", *JOBS)
    for name in JOBS:
        page.add_row(name, *JOBS)
        terminal.print(f"waits: {name}", style="dim")
        terminal.print(f" {name}", head=name)
    terminal.print(page)
    assert plain(file.getvalue())
    assert "x[/data]" in file.getvalue()
