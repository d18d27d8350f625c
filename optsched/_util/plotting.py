"""Pages and pictures, whole in one file: they open without a network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from optsched._util.files import write_bytes
from optsched._util.text import script_json, visible, visible_strings
from optsched.errors import InputError, SolverError

__all__ = ["altair", "drawable", "write_picture"]

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>body {{ margin: 1rem; }} #picture {{ overflow-x: auto; }}</style>
<script>{library}</script>
</head>
<body>
<div id="picture"></div>
<script>
vegaEmbed("#picture", {spec}, {options}).catch(function (error) {{
  document.getElementById("picture").textContent = String(error);
}});
</script>
</body>
</html>
"""
"""The policy forbids a page to load or send anything; Vega compiles its own expressions, hence ``unsafe-eval``."""
_GLOBALS = "window.vegaEmbed = vegaEmbed;"
_ACTIONS = {"export": True, "source": False, "compiled": False, "editor": False}
_OPTIONS = {"mode": "vega-lite", "renderer": "svg", "actions": _ACTIONS}
"""Save as SVG or PNG; Vega's other menu entries would write the data into a page as HTML, or send it to a site."""


def altair() -> Any:
    """Return altair; raise SolverError where it, or what makes its pictures whole, is not installed."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise SolverError(f"{error.name} is not installed: pip install 'optsched[plot]'") from None
    return altair


def drawable(path: Path | None) -> None:
    """Refuse a picture that cannot be drawn before any work is done for it.

    Raises
    ------
    InputError
        For a name of another kind of file than a page (.html) or a picture (.svg).
    SolverError
        Where what draws is not installed.
    """
    if path is not None:
        if path.suffix not in (".html", ".svg"):
            raise InputError("a name that ends in .html or .svg", path="--plot", value=str(path))
        altair()


def write_picture(chart: Any, path: Path, title: str = "optsched") -> None:
    """Write a chart as a page or a picture, by the name; raise as :func:`drawable` does.

    Parameters
    ----------
    title
        Of the page.
    """
    drawable(path)
    with altair().data_transformers.disable_max_rows():
        spec = _quoted(visible_strings(chart.to_dict()))
    write_bytes(path, (_svg(spec) if path.suffix == ".svg" else _page(spec, title)).encode())


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


def _svg(spec: dict[str, Any]) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec))


def _page(spec: dict[str, Any], title: str) -> str:
    """Return a page with the chart, and the library that draws it."""
    import vl_convert

    return _PAGE.format(
        title=escape(visible(title)),
        library=vl_convert.javascript_bundle(_GLOBALS),
        spec=script_json(spec),
        options=script_json(_OPTIONS),
    )
