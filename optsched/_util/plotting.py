"""Pages and pictures, whole in one file: they open without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optsched._util.files import write_bytes
from optsched.errors import InputError, SolverError

__all__ = ["altair", "drawable", "write_picture"]


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


def write_picture(chart: Any, path: Path) -> None:
    """Write a chart as a page or a picture, by the name; raise as :func:`drawable` does."""
    drawable(path)
    with altair().data_transformers.disable_max_rows():
        if path.suffix == ".svg":
            import vl_convert

            write_bytes(path, vl_convert.vegalite_to_svg(chart.to_json()).encode())
        else:
            write_bytes(path, chart.to_html(inline=True).encode())
