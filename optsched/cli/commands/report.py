"""``optsched report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optsched.cli.output import say, writable
from optsched.errors import InputError

__all__ = ["report"]


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Files that solve, schedule, simulate, bench run, federate, pareto, share, explain or advise wrote.",
            metavar="RESULT...",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="A page (.html), a picture of all charts (.svg, .png), or a folder for the page and each chart."
        ),
    ] = Path("report.html"),
    instance: Annotated[
        Path | None,
        typer.Option(help="Of plans and schedules. Default: the file in the result's folder that it was made for."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
) -> int:
    """Draw results as one page or as pictures."""
    from optsched.cli.progress import shown_steps
    from optsched.report.pictures import write_report
    from optsched.report.read import read_article

    _admit(out, results, instance)
    with shown_steps(quiet=False) as tell:
        articles = []
        for path in results:
            if tell is not None:
                tell(f"reading {path}")
            articles.append(read_article(path, instance))
        if tell is not None:
            tell("drawing")
        written = write_report(articles, out, title or (articles[0].title if len(articles) == 1 else "optsched report"))
    for article in articles:
        say(f"{article.title}: {article.status}")
    most = written[0] if len(written) == 1 else f"{out}: {len(written)} files"
    say(f"{most} written" if len(written) > 1 else f"{most}: {written[0].stat().st_size / 1e6:.2g} MB written")
    return 0


def _admit(out: Path, results: list[Path], instance: Path | None) -> None:
    """Refuse an output that cannot be written before any work is done for it."""
    from optsched._util.plotting import drawable

    if str(out) == "-":
        raise InputError("a file or a folder", path="--out", value="-")
    if out.suffix and not out.is_dir():
        drawable(out, "--out")
        writable(out, *results, instance)
    elif out.is_file() or not out.absolute().parent.is_dir():
        raise InputError("a folder, or a name that ends in .html, .svg or .png", path="--out", value=str(out))
