"""``optsched discover``: which models reach a quality, and what training them costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optsched.cli.options import AsJson
from optsched.cli.output import print_json, say, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from optsched.advise.discover import Found

__all__ = ["discover"]


def discover(
    task: Annotated[str, typer.Option(help='What it is for, e.g. "image classification".')],
    accuracy: Annotated[float | None, typer.Option(help="Least published quality.")] = None,
    budget: Annotated[float | None, typer.Option(help="Most that the training may cost.")] = None,
    gpu: Annotated[str | None, typer.Option(help='Your GPU, e.g. "rtx 3090". Default: that of each rate.')] = None,
    price: Annotated[float | None, typer.Option(help="Hourly price of one GPU; default: an assumed one.")] = None,
    catalogue: Annotated[list[Path] | None, typer.Option(help="Further catalogue (CSV); may be given again.")] = None,
    timm_results: Annotated[Path | None, typer.Option(help="timm's table of accuracies on ImageNet.")] = None,
    timm_rates: Annotated[Path | None, typer.Option(help="timm's training benchmark of one GPU.")] = None,
    timm_gpu: Annotated[str, typer.Option(help="GPU of that benchmark.")] = "rtx 3090",
    out: Annotated[Path | None, typer.Option(help="Write the whole catalogue here (CSV), to be loaded again.")] = None,
    as_json: AsJson = False,
) -> int:
    """Find models by task, quality and training cost."""
    from optsched.advise.catalogue import from_timm, load_catalogue, shipped, write_catalogue
    from optsched.advise.discover import discover as discovered

    writable(out, timm_results, timm_rates, *(catalogue or []))
    for name, value in (("--budget", budget), ("--price", price)):
        if value is not None and not 0 <= value < float("inf"):
            raise InputError("an amount >= 0", path=name, value=shown(value))
    if (timm_results is None) != (timm_rates is None):
        raise InputError("--timm-results and --timm-rates together", path="--timm-rates")
    models = [*shipped(), *(model for path in catalogue or [] for model in load_catalogue(path))]
    if timm_results is not None and timm_rates is not None:
        there = {model.name for model in models}
        models += [model for model in from_timm(timm_results, timm_rates, timm_gpu) if model.name not in there]
    if out is not None:
        write_catalogue(models, out)
    found = discovered(models, task, accuracy=accuracy, budget=budget, gpu_type=gpu, hourly_price=price)
    if as_json:
        print_json(found)
        return 0 if found.models else 1
    _print(found.models)
    if found.over_budget is not None:
        one = found.over_budget
        say(f"no model within the budget; the cheapest that qualifies is {one.model.name}, for about {one.cost:.3g}")
    if found.models:
        say("go on: optsched advise " + " ".join(_quoted(word) for word in found.models[0].advise))
    for note in found.notes:
        say(f"note: {note}", error=True)
    return 0 if found.models else 1


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


def _print(models: tuple[Found, ...]) -> None:
    from optsched.advise.units import duration
    from optsched.cli.terminal import MOST_ROWS, console, print_rest, table

    if not models:
        return
    page = table("model", "quality", "M params", "GPU", "time", "80 %", "cost", "80 %", "in budget", left=1)
    for one in models[:MOST_ROWS]:
        size = "" if one.model.parameters_m is None else f"{one.model.parameters_m:g}"
        page.add_row(
            one.model.name,
            f"{one.model.quality:g}",
            size,
            one.gpu_type,
            duration(one.time_s),
            f"{duration(one.time_low_s)} to {duration(one.time_high_s)}",
            f"{one.cost:.3g}",
            f"{one.cost_low:.3g} to {one.cost_high:.3g}",
            "" if one.chance is None else f"{100 * one.chance:.0f} %",
        )
    terminal = console()
    for metric in sorted({one.model.metric for one in models if one.model.metric}):
        terminal.print(metric, head="quality: ")
    terminal.print(page)
    print_rest(terminal, models, "models")
