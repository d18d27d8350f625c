"""``optsched advise``: which GPUs, how many and which batch to train a model with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optsched.cli.options import AsJson
from optsched.cli.output import print_json, say, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from optsched.advise import Advice, Option
    from optsched.advise.memory import Footprint
    from optsched.advise.nearest import Facts
    from optsched.advise.offers import Offer
    from optsched.advise.plans import PlanAdvice, PlanOption
    from optsched.prediction.curves.fitted import CurveFile

__all__ = ["advise"]


def advise(
    model: Annotated[str, typer.Option(help="Model to train.")],
    curves: Annotated[Path | None, typer.Option(help="Curves (optsched-curves/1).")] = None,
    target: Annotated[float | None, typer.Option(help="Metric to reach, by --convergence.")] = None,
    convergence: Annotated[
        Path | None, typer.Option(help="CSV table of earlier runs: how many examples a batch size takes.")
    ] = None,
    loss: Annotated[bool, typer.Option("--loss", help="The metric is a loss: smaller is better.")] = False,
    examples: Annotated[float | None, typer.Option(help="Examples to train on.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Longest time, e.g. 90m, 6h, 2d.")] = None,
    budget: Annotated[float | None, typer.Option(help="Most money, in the currency of the prices.")] = None,
    cluster: Annotated[Path | None, typer.Option(help="Instance whose cluster is at hand (optsched/1).")] = None,
    prices: Annotated[
        Path | None, typer.Option(help="CSV table of offers: gpu_type, hourly_price of one GPU, ...")
    ] = None,
    among: Annotated[
        Path | None, typer.Option(help="CSV table of configurations to choose from, as for predict.")
    ] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Examples per step; may be given again.")] = None,
    gpu: Annotated[list[str] | None, typer.Option(help="GPU type to use; may be given again. Default: all.")] = None,
    gpus: Annotated[
        list[int] | None, typer.Option("--gpus", min=1, help="Number of GPUs; may be given again. Default: any.")
    ] = None,
    seq: Annotated[int, typer.Option(min=1, help="Tokens of a sequence, for language models.")] = 4096,
    tokens: Annotated[float | None, typer.Option(help="Tokens to train on, for language models.")] = None,
    max_gpus: Annotated[int | None, typer.Option("--max-gpus", min=1, help="Most GPUs.")] = None,
    parameters_m: Annotated[float | None, typer.Option(help="Millions of parameters.")] = None,
    gflops: Annotated[
        float | None, typer.Option(help="Billions of multiply-adds of an example's forward pass.")
    ] = None,
    activation_gb: Annotated[float | None, typer.Option(help="Activations of one example, GB.")] = None,
    optimizer: Annotated[str, typer.Option(help="sgd, momentum or adam.")] = "adam",
    mixed: Annotated[bool, typer.Option("--mixed", help="Parameters and gradients in 16 bits.")] = False,
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Compute activations again.")] = False,
    shard: Annotated[int, typer.Option(min=0, max=3, help="Stage of ZeRO: what is sharded over the GPUs.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the advice here, too (optsched-advice/1).")] = None,
    as_json: AsJson = False,
) -> int:
    """Advise which GPUs and batch to train with.

    Lists every configuration that no other beats in time, total cost and risk, the chance to miss the deadline or the
    budget, and recommends one.
    """
    from optsched._util.files import write_json
    from optsched.advise import advise as advised
    from optsched.advise.handover import in_catalogue
    from optsched.advise.units import seconds_of
    from optsched.advise.work import Work
    from optsched.cli.progress import shown_steps
    from optsched.prediction.curves.fitted import CurveFile, load_curves

    writable(out, curves, convergence, cluster, prices, among)
    if cluster is not None and prices is not None:
        raise InputError("either --cluster or --prices", path="--prices", value=shown(str(prices)))
    if budget is not None and not 0 < budget < float("inf"):
        raise InputError("an amount > 0", path="--budget", value=shown(budget))
    seconds = None if deadline is None else seconds_of(deadline, "--deadline")
    offers = _offers(cluster, prices)
    file = None if curves is None else load_curves(curves)
    if among is None and _plans_wanted(file, model):
        if target is not None or convergence is not None:
            raise InputError("--tokens: of language models targets are not predicted", path="--target")
        work_tokens = tokens if examples is None else examples * seq
        return _advise_plans(file, model, offers, gpu, gpus, seq, batch, work_tokens, seconds, budget, out, as_json)
    if file is None:
        if not in_catalogue(model):
            raise InputError("--curves, a file that optsched fit wrote, or a model of the catalogue", path="--curves")
        file = CurveFile()
    work = Work.of(model, examples, target, convergence, loss)
    with shown_steps(quiet=as_json) as report:
        if report is not None:
            report("evaluating configurations")
        advice = advised(
            file,
            model,
            work=work,
            offers=offers,
            among=among,
            gpu_types=gpu or (),
            deadline_s=seconds,
            budget=budget,
            global_batches=batch or (),
            max_gpus=max_gpus,
            gpus=gpus or (),
            facts=_facts(parameters_m, gflops),
            footprint=_footprint(parameters_m, activation_gb, optimizer, mixed, checkpointing, shard),
        )
    if out is not None:
        write_json(out, advice)
    if as_json:
        print_json(advice)
    else:
        _print(advice)
    return 0


def _plans_wanted(file: CurveFile | None, model: str) -> bool:
    """Tell whether advice is about parallelism plans: a language model that no curve was fitted to."""
    from optsched.advise.plans import is_language_model

    fitted = file is not None and any(one.model == model for one in file.curves)
    return not fitted and is_language_model(model)


def _advise_plans(
    file: CurveFile | None,
    model: str,
    offers: tuple[Offer, ...],
    gpu_types: list[str] | None,
    gpus: list[int] | None,
    seq: int,
    batch: list[int] | None,
    tokens: float | None,
    deadline_s: float | None,
    budget: float | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Advise a parallelism plan for a language model."""
    from optsched._util.files import write_json
    from optsched.advise.offers import of_types
    from optsched.advise.plans import advise_plans, offers_of_types
    from optsched.cli.progress import shown_steps
    from optsched.prediction.language_models.shipped import shipped

    if not offers and not gpu_types:
        raise InputError("--gpu, --prices or --cluster: the GPUs to train on", path="--gpu")
    if tokens is not None and not 0 < tokens < float("inf"):
        raise InputError("a number of tokens > 0", path="--tokens", value=shown(tokens))
    if batch is not None and len(batch) > 1:
        raise InputError("one --batch, sequences of an iteration", path="--batch", value=shown(batch))
    had = of_types(offers, gpu_types or ()) if offers else offers_of_types(gpu_types or (), gpus or ())
    models = file.language_models if file is not None and file.language_models is not None else shipped()
    with shown_steps(quiet=as_json) as report:
        if report is not None:
            report("predicting every plan that fits")
        advice = advise_plans(
            models,
            model,
            had,
            gpus=gpus or (),
            seq=seq,
            global_batch=batch[0] if batch else 256,
            tokens=tokens,
            deadline_s=deadline_s,
            budget=budget,
        )
    if out is not None:
        write_json(out, advice)
    if as_json:
        print_json(advice)
    else:
        _print(advice)
    return 0


def _offers(cluster: Path | None, prices: Path | None) -> tuple[Offer, ...]:
    from optsched.advise.offers import of_cluster, read_prices

    if cluster is not None:
        return of_cluster(cluster)
    return () if prices is None else read_prices(prices)


def _facts(parameters_m: float | None, gflops: float | None) -> Facts | None:
    from optsched.advise.nearest import Facts

    for name, value in (("--parameters-m", parameters_m), ("--gflops", gflops)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError("a number > 0", path=name, value=shown(value))
    return None if parameters_m is None else Facts(parameters_m, gflops)


def _footprint(
    parameters_m: float | None,
    activation_gb: float | None,
    optimizer: str,
    mixed: bool,
    checkpointing: bool,
    shard: int,
) -> Footprint | None:
    """Return what the model takes of memory; None where its activations are not known."""
    from optsched.advise.memory import OPTIMIZERS, Footprint

    if optimizer not in OPTIMIZERS:
        raise InputError(f"one of {', '.join(OPTIMIZERS)}", path="--optimizer", value=shown(optimizer))
    if activation_gb is None:
        return None
    if parameters_m is None:
        raise InputError("--parameters-m, without which --activation-gb says too little", path="--activation-gb")
    if not 0 <= activation_gb < float("inf"):
        raise InputError("a number >= 0", path="--activation-gb", value=shown(activation_gb))
    return Footprint(parameters_m, activation_gb, optimizer, mixed, checkpointing, shard)


def _print(advice: Advice | PlanAdvice) -> None:
    from optsched.cli.terminal import MOST_ROWS, console, print_rest, table

    terminal = console()
    terminal.print(f"{advice.model}, {advice.work}: {advice.candidates} configurations compared")
    terminal.print(advice.reason, head="recommended: ")
    terminal.print(_what(advice.recommended))
    for head, text in _further(advice):
        terminal.print(text, head=head)
    page = table("not dominated", "time", "80 %", "cost", "GPU hours", "risk", left=1)
    for option in advice.front[:MOST_ROWS]:
        page.add_row(option.where(), *_cells(option))
    terminal.print(page)
    print_rest(terminal, advice.front, "configurations that are not dominated")
    for line in (*advice.left_out, *advice.notes):
        say(f"note: {line}", error=True)


def _further(advice: Advice | PlanAdvice) -> list[tuple[str, str]]:
    """Return what else is said of the recommended configuration, each with its head."""
    from optsched.advise.plans import PlanAdvice

    if isinstance(advice, PlanAdvice):
        return [("memory: ", f"{advice.recommended.memory_gb:g} GB on the most loaded GPU")]
    measure = [f"{m.gpus} x {m.gpu_type} on {m.nodes} servers, batch {m.local_batch:g}" for m in advice.measure]
    said = (
        ("limited by: ", [limit.text for limit in advice.limits]),
        ("would help: ", [lever.text for lever in advice.levers]),
        ("measure to be surer: ", measure),
    )
    return [(head, "; ".join(texts)) for head, texts in said if texts]


def _what(option: Option | PlanOption) -> str:
    """Return time, cost and risk as a sentence."""
    time, interval, cost, hours, risk = _cells(option)
    money = f"cost {cost}, " if option.cost is not None else ""
    chance = "" if option.risk is None else f", chance to miss {risk}"
    return f"time {time} ({interval} with a chance of 80 %), {money}{hours} GPU hours{chance}"


def _cells(option: Option | PlanOption) -> tuple[str, str, str, str, str]:
    from optsched.advise.units import duration

    cost = "" if option.cost is None else f"{option.cost:.4g}"
    risk = "" if option.risk is None else f"{100 * option.risk:.0f} %"
    interval = f"{duration(option.time_low_s)} to {duration(option.time_high_s)}"
    return duration(option.time_s), interval, cost, f"{option.gpu_hours:.3g}", risk
