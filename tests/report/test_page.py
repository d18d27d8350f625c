"""Pages in a real browser: nothing fails, nothing is cut off, everything can be read, in the light and in the dark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optsched.instance import load, loads
from optsched.instance.result import load_result
from optsched.report import page
from optsched.search.solve import solve
from tests.support.browser import DARK, opened, screenshot
from tests.support.builders import cluster, job, listed, record
from tests.support.png import pixels

KINDS = ["plan", "counts", "schedule", "federation", "frontier", "shares", "rows", "jobs", "runs"]
PROBE = """<script>
drawing.then(function () {
  const light = function (color) {
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map(Number).map(function (c) {
      c = c / 255; return c <= 0.04045 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4); });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const contrast = function (color) {
    const one = light(color); return (Math.max(one, paper) + 0.05) / (Math.min(one, paper) + 0.05); };
  const texts = Array.from(document.querySelectorAll("h1, h2, td, dd, dt, p, a, summary"))
    .filter(function (part) { return part.closest(".vega-embed") === null; })
    .map(function (part) { return contrast(getComputedStyle(part).color); });
  const labels = Array.from(document.querySelectorAll(".role-axis-label text, .role-legend-label text"))
    .map(function (part) { return contrast(getComputedStyle(part).fill); });
  const charts = Array.from(document.querySelectorAll(".chart"));
  const cut = charts.filter(function (chart) {
    const box = chart.querySelector("svg").getBoundingClientRect();
    return Array.from(chart.querySelectorAll("svg text")).some(function (text) {
      const own = text.getBoundingClientRect();
      return own.width > 0 && (own.left < box.left - 2 || own.right > box.right + 2); }); });
  document.body.setAttribute("data-probe", JSON.stringify({
    width: document.documentElement.scrollWidth, window: innerWidth,
    charts: charts.length, empty: charts.filter(function (c) {
      return c.querySelectorAll("svg path").length < 2; }).length,
    wide: charts.filter(function (c) { return c.scrollWidth > c.clientWidth + 1; }).length,
    cut: cut.map(function (chart) { return chart.textContent; }),
    faintest: Math.min.apply(null, texts.concat(labels))}));
});
</script>"""


def probed(html: str, tmp_path: Path, *options: str, width: int = 1300) -> dict[str, Any]:
    """Return what a script finds in a page that a browser has opened and drawn."""
    file = tmp_path / "probed.html"
    head, end, tail = html.rpartition("</body>")
    file.write_text(head + PROBE + end + tail)
    shown = opened(file, *options, width=width)
    assert shown.messages == []
    found = re.search(r'data-probe="(.*?)"', shown.dom)
    assert found is not None
    return dict(json.loads(found[1].replace("&quot;", '"')))


def written(run: Any, results: Path, kind: str) -> str:
    """Return the page of one of the results."""
    source = next(results.glob(f"{kind}.*"))
    assert run("report", source, "--out", "page.html").returncode == 0
    return Path("page.html").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_opens(run: Any, results: Path, tmp_path: Path, kind: str) -> None:
    found = probed(written(run, results, kind), tmp_path)
    assert found["charts"] > 0
    assert (found["empty"], found["cut"], found["wide"]) == (0, [], 0)
    assert found["width"] <= found["window"]
    assert found["faintest"] >= 4.5  # WCAG 2.2, 1.4.3


def test_dark_and_narrow(run: Any, results: Path, tmp_path: Path) -> None:
    html = written(run, results, "plan")
    for options, width in (((DARK,), 1300), ((), 700)):
        found = probed(html, tmp_path, *options, width=width)
        assert found["width"] <= found["window"]
        assert (found["empty"], found["cut"]) == (0, [])
        assert found["faintest"] >= 4.5


def test_a_screenshot_is_neither_empty_nor_cut_off(run: Any, results: Path, tmp_path: Path) -> None:
    written(run, results, "schedule")
    shown = pixels(screenshot(Path("page.html"), tmp_path / "shown.png", width=1300, height=1000)).astype(int)
    painted = np.abs(shown - shown[-1, 0]).max(axis=2) > 12
    assert 0.03 < painted.mean() < 0.7
    assert painted[:, -8:].mean() < 0.01  # nothing runs into the right edge
    colours = {tuple(c) for c in shown[::3, ::3].reshape(-1, 3).tolist()}
    assert len(colours) > 20


def test_the_status_comes_first(results: Path) -> None:
    text = page(load_result(results / "plan.json"), load(results / "network-8.json"))
    body = text[text.index("<body>") :]
    order = ["optimal", "Checked", "Who runs where", "Utilization", "Curves", "Fairness"]
    places = [body.index(word, body.index("<article")) for word in order]
    assert places == sorted(places)
    assert "keeps every rule; the value is as claimed" in body


def test_what_is_infeasible_says_why() -> None:
    instance = loads(json.dumps(record(job("big", required=True, min_gpus=9, max_gpus=9))))
    text = page(solve(instance), instance)
    assert 'class="status bad"' in text
    assert "infeasible" in text


def test_hostile_ids_are_text(tmp_path: Path) -> None:
    script = "</script><img src=x onerror=\"document.title='hacked'\">"
    names = [script, "esc\x1b[31m", "two\nlines", "rtl\u202e", "{{job}} ${x} \\", "'\"&<b>"]
    kind = f"v<b>{script}"
    jobs = [job(name, configurations=listed(1.0, 1.5, gpu_type=kind), tenant=script) for name in names]
    server = {"id": f"s{script}", "gpu_type": kind, "gpus": 9}
    whole = record(*jobs, cluster=cluster(4) | {"gpu_types": [{"id": kind}], "servers": [server]}, curves={})
    instance = loads(json.dumps(whole | {"decides": "placement", "name": script}))
    text = page(solve(instance), instance, title=script)
    assert "<img src=x" not in text
    assert all(line.isprintable() for line in text.partition("<script>")[0].split("\n"))
    (tmp_path / "page.html").write_text(text)
    shown = opened(tmp_path / "page.html")
    assert shown.messages == []
    assert "<img src=x" not in shown.dom
    assert "hacked" not in (re.search("<title>(.*?)</title>", shown.dom) or [""])[1].partition("document")[0]
    assert "esc\\x1b[31m" in shown.dom


def test_a_thousand_jobs_are_a_small_page() -> None:
    instance = loads(
        json.dumps(
            record(
                *(job(f"job-{n}", max_gpus=4) for n in range(1000)),
                cluster={
                    "gpu_types": [{"id": "v"}],
                    "servers": [{"id": "s", "count": 300, "gpu_type": "v", "gpus": 8}],
                },
            )
        )
    )
    text = page(solve(instance, time_limit=10.0), instance)
    assert len(text.encode()) < 5_000_000
    assert text.count("<tr>") > 1000
