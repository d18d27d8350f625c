"""Pages and pictures, whole in one file: they open without a network, in the light and in the dark."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from optsched._util.files import write_bytes
from optsched._util.text import script_json, visible, visible_strings
from optsched.errors import InputError, SolverError

__all__ = [
    "EMBED",
    "GROUND",
    "INK",
    "KINDS",
    "OUTSIDE",
    "PAGE_POLICY",
    "PALETTE",
    "STYLE",
    "altair",
    "drawable",
    "fitted_label",
    "library",
    "picture_bytes",
    "shade",
    "spec_of",
    "write_picture",
]

PALETTE = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#88CCEE", "#BBBBBB")
"""Fills that dark text is readable on and that the colour-blind tell apart (Okabe and Ito 2008, light ones of them)."""
KINDS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#882255")
"""Lines and points, on light and on dark ground, in the order in which they are used."""
INK = "#111111"
"""Text on the fills."""
OUTSIDE = "#1c1e20"
"""Text and signs on the ground: pages show them in their own ink."""
GROUND = "#fdfdfe"
"""Edges of signs: pages show them in the colour of the paper."""
SUFFIXES = (".html", ".svg", ".png")

PAGE_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; \
img-src data: blob:"
"""Forbids a page to load or send anything; Vega compiles its own expressions, hence ``unsafe-eval``."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1e21; --soft: #5c636b; --line: #d4d8dd; --panel: #f5f6f8;
  --mark: #0b62a8; --bad: #a33a00; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e8eaed; --soft: #a9b0b8;
  --line: #3a4048; --panel: #1f242a; --mark: #7cc0f5; --bad: #ff9d66; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
.chart { overflow-x: auto; max-width: 100%; }
.chart svg { max-width: 100%; height: auto; background: transparent !important; }
.chart svg > rect { fill: transparent; }
.chart svg .role-axis-label text, .chart svg .role-axis-title text, .chart svg .role-legend-label text,
.chart svg .role-legend-title text, .chart svg .role-title text, .chart svg .role-title-text text,
.chart svg .role-title-subtitle text { fill: var(--ink); }
.chart svg [fill="#1c1e20"] { fill: var(--ink); }
.chart svg [stroke="#1c1e20"] { stroke: var(--ink); }
.chart svg [stroke="#fdfdfe"] { stroke: var(--paper); }
.chart svg .role-axis-grid line { stroke: var(--line); }
.chart svg .role-axis-tick line, .chart svg .role-axis-domain line { stroke: var(--soft); }
.vega-embed details summary { opacity: 0.7 !important; }
@media print { .vega-embed details { display: none !important; } }
"""
"""Colours of pages; the pictures in them take text, axes and ground from these, and stay as they are when saved."""

_CONFIG = {
    "background": "white",
    "font": "sans-serif",
    "range": {"category": list(KINDS)},
    "view": {"stroke": "transparent"},
    "title": {"anchor": "start", "fontSize": 13, "limit": 1000},
    "axis": {"labelFontSize": 11, "titleFontSize": 12, "labelLimit": 180, "titleLimit": 400},
    "axisX": {"labelOverlap": "greedy", "labelSeparation": 5},
    "legend": {"labelFontSize": 11, "titleFontSize": 12, "labelLimit": 220, "orient": "top", "symbolSize": 90},
}

EMBED = """
const options = {"mode": "vega-lite", "renderer": "svg",
  "actions": {"export": true, "source": false, "compiled": false, "editor": false}};
function draw(place, spec) {
  return vegaEmbed(place, spec, options).catch(function (error) { place.textContent = String(error); });
}
"""
"""Save as SVG or PNG; Vega's other menu entries would write the data into a page as HTML, or send it to a site."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}body {{ margin: 1rem; }}</style>
<script>{library}</script>
</head>
<body>
<div id="picture" class="chart"></div>
<script>{embed}
draw(document.getElementById("picture"), {spec});
</script>
</body>
</html>
"""
_GLOBALS = "window.vegaEmbed = vegaEmbed;"


def altair() -> Any:
    """Return altair; raise SolverError where it, or what makes its pictures whole, is not installed."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise SolverError(f"{error.name} is not installed: pip install 'optsched[plot]'") from None
    return altair


def drawable(path: Path | None, option: str = "--plot") -> None:
    """Refuse a picture that cannot be drawn before any work is done for it.

    Raises
    ------
    InputError
        For a name of another kind of file than a page (.html) or a picture (.svg, .png).
    SolverError
        Where what draws is not installed.
    """
    if path is not None:
        if path.suffix not in SUFFIXES:
            raise InputError("a name that ends in .html, .svg or .png", path=option, value=str(path))
        altair()


def shade(number: int) -> str:
    """Return the fill of the job with a number."""
    return PALETTE[number % len(PALETTE)]


def fitted_label(text: str, pixels: float, size: float = 10.0) -> str:
    """Return a text cut to a width in pixels with an ellipsis; empty where hardly anything of it would be left."""
    shown = visible(text)
    room = int((pixels - 4) / (0.58 * size))
    if len(shown) <= room:
        return shown
    return shown[: room - 1] + "…" if room >= 4 else ""


def spec_of(chart: Any) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart, with every text of it visible and nothing interpreted."""
    with altair().data_transformers.disable_max_rows():
        spec = chart.to_dict()
    spec["config"] = _CONFIG | {key: value for key, value in spec.get("config", {}).items() if key not in ("view",)}
    found: dict[str, Any] = _quoted(visible_strings(spec))
    return found


def picture_bytes(spec: dict[str, Any], suffix: str) -> bytes:
    """Return a specification drawn as ``.svg`` or ``.png``, without a browser."""
    import vl_convert

    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=2))
    return str(vl_convert.vegalite_to_svg(spec)).encode()


@cache
def library() -> str:
    """Return the script that draws: Vega, Vega-Lite and Vega-Embed."""
    import vl_convert

    return str(vl_convert.javascript_bundle(_GLOBALS))


def write_picture(chart: Any, path: Path, title: str = "optsched") -> None:
    """Write a chart as a page or a picture, by the name; raise as :func:`drawable` does.

    Parameters
    ----------
    title
        Of the page.
    """
    drawable(path)
    spec = spec_of(chart)
    write_bytes(path, _page(spec, title).encode() if path.suffix == ".html" else picture_bytes(spec, path.suffix))


def _quoted(spec: Any, *, encoding: bool = False) -> Any:
    """Double the backslashes of titles in encodings: Vega-Lite puts them into expressions, with only quotes escaped."""
    if isinstance(spec, list):
        return [_quoted(part, encoding=encoding) for part in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        key: part.replace("\\", "\\\\")
        if encoding and key == "title" and isinstance(part, str)
        else part
        if key in ("data", "datasets")
        else _quoted(part, encoding=encoding or key == "encoding")
        for key, part in spec.items()
    }


def _page(spec: dict[str, Any], title: str) -> str:
    """Return a page with the chart, and the library that draws it."""
    return _PAGE.format(
        policy=PAGE_POLICY,
        title=escape(visible(title)),
        style=STYLE,
        library=library(),
        embed=EMBED,
        spec=script_json(spec),
    )
