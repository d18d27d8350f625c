"""Arguments and options that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "CurvesFile",
    "Encoding",
    "Exclude",
    "Gap",
    "InstanceFile",
    "Limits",
    "PlanFile",
    "Plot",
    "Seed",
    "Threads",
    "TimeLimit",
]

InstanceFile = Annotated[
    Path, typer.Argument(help="Instance file (optsched/1); - is standard input.", metavar="INSTANCE")
]
PlanFile = Annotated[
    Path | None, typer.Argument(help="Result (optsched-result/1); default: it is solved first.", metavar="[PLAN]")
]
CurvesFile = Annotated[Path, typer.Argument(help="Curves (optsched-curves/1).", metavar="CURVES")]
Encoding = Annotated[str, typer.Option(help="How piecewise-linear functions become rows: see `optsched formulations`.")]
Exclude = Annotated[
    str, typer.Option(help="Parts of the model to leave out, e.g. domains,merge: see `optsched formulations`.")
]
Limits = Annotated[
    list[str] | None, typer.Option("--limit", help="Another objective's bound, e.g. 'cost<=50'; may be given again.")
]
TimeLimit = Annotated[float | None, typer.Option(help="Seconds; the best that is found by then is returned.")]
Gap = Annotated[float, typer.Option(help="Relative gap that is good enough.")]
Seed = Annotated[int, typer.Option(help="Of all random choices.")]
Threads = Annotated[int, typer.Option(min=1, help="More than one is faster and not reproducible.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it here (.html, .svg or .png).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else.")]
