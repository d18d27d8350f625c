"""``optsched instances`` and ``generate``: the library of instances, and instances from recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optsched._util.numeric import relative
from optsched.cli.options import AsJson, Seed
from optsched.cli.output import from_options, print_json, say, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from optsched.bench.library import Known

__all__ = ["generate", "instances"]


def instances(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder; default: ./instances, or those of the package.", metavar="[FOLDER]")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only those with this tag; may be given again.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check files, recipes and best plans exactly; exit code 1 if one is false.")
    ] = False,
    make: Annotated[
        str | None, typer.Option(help="Make an instance by its name, or copy it where it is kept; needs --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --make: write it here (optsched/1).")] = None,
    as_json: AsJson = False,
) -> int:
    """List instances. Their features, tags, and what is known of them."""
    from optsched.bench.library import known_in, packaged, root_of, tagged

    if folder is None:
        here = Path("instances")
        folder = here if here.is_dir() else packaged()
    if not folder.is_dir():
        raise InputError("a folder of instances", file=str(folder))
    root = root_of(folder)
    if make is not None:
        return _make(root, make, out)
    known, tags = known_in(root), tag or []
    chosen = [Path(path).resolve().relative_to(root).as_posix() for path in tagged([folder], tags)]
    if verify:
        inside = folder.resolve()
        meant = {n: k for n, k in known.items() if (root / n).is_relative_to(inside) and set(tags) <= set(k.tags)}
        return _verify(root, meant, [name for name in chosen if name not in known], as_json)
    rows = [_row(root / name, name, known.get(name)) for name in chosen]
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    return 0


def _make(folder: Path, name: str, out: Path | None) -> int:
    """Make an instance by its recipe, or copy it; exit code 1 if its bytes are not those that the library lists."""
    from optsched import save
    from optsched._util.files import read_bytes, write_bytes
    from optsched.bench.library import digest, known_in, recipes_in
    from optsched.bench.recipes import made
    from optsched.prediction.curves.fitted import load_curves

    recipes = recipes_in(folder)
    kept = {path.removesuffix(".json"): folder / path for path in known_in(folder)}
    if name not in recipes and name not in kept:
        there = ", ".join(dict.fromkeys([*recipes, *kept])) or "the recipes, of which there are none"
        raise InputError(f"one of {there}", path="--make", value=name)
    if out is None:
        raise InputError("--out with --make", path="--out")
    writable(out)
    if name not in recipes:
        write_bytes(out, read_bytes(kept[name]))
        return 0
    save(made(recipes[name].generate, load_curves(folder / "curves.json")), out)
    if digest(out) == recipes[name].sha256:
        return 0
    say("it is not, byte for byte, the instance that was meant: is NumPy, or the machine, another?", error=True)
    return 1


def _verify(folder: Path, known: Mapping[str, Known], unknown: Sequence[str], as_json: bool) -> int:
    from optsched.bench.library import verify

    wrong = {name: verify(folder, name, entry) for name, entry in known.items()}
    wrong |= {name: ["nothing is known of it"] for name in unknown}
    if as_json:
        print_json(wrong)
    else:
        for name, reasons in wrong.items():
            say(f"{name}: {'; '.join(reasons) or 'true'}")
    return 1 if any(wrong.values()) else 0


def _row(path: Path, name: str, known: Known | None) -> dict[str, Any]:
    """Return what is listed of an instance; without what is known, its own features only."""
    from msgspec import to_builtins

    from optsched import load
    from optsched.bench.features import features

    found = to_builtins(features(load(path)))
    if known is None:
        nothing = dict.fromkeys(("value", "bound", "status", "lp_gap"))
        return {"instance": name.removesuffix(".json"), **found, **nothing, "tags": []}
    return {
        "instance": name.removesuffix(".json"),
        **found,
        "objective": known.objective,
        "value": known.value,
        "bound": known.bound,
        "status": known.status,
        "lp_gap": known.lp_gap,
        "tags": list(known.tags),
    }


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    from optsched.cli.terminal import console, table

    page = table(
        "instance",
        "decides",
        "objective",
        "jobs",
        "GPUs",
        "types",
        "sites",
        "configurations",
        "load",
        "best",
        "gap",
        "LP gap",
        "tags",
        left=3,
    )
    for row in rows:
        value, bound = row["value"], row["bound"]
        gap = None if value is None or bound is None else relative(abs(bound - value), value)
        page.add_row(
            row["instance"],
            row["decides"],
            row["objective"],
            str(row["jobs"]),
            str(row["gpus"]),
            str(row["gpu_types"]),
            str(row["sites"]),
            str(row["configurations"]),
            f"{row['load']:.3g}",
            "" if value is None else f"{value:.6g}",
            _percent(gap),
            _percent(row["lp_gap"]),
            ", ".join(row["tags"]),
        )
    terminal = console()
    terminal.print(page)
    terminal.print(
        f"{len(rows)} instances; configurations: of all jobs; load: GPUs that the jobs could use over GPUs that exist"
    )


def _percent(part: float | None) -> str:
    return "" if part is None else f"{100 * part:.3g} %"


def generate(
    jobs: Annotated[int, typer.Option(help="Number of jobs.")],
    gpus: Annotated[str, typer.Option(help="GPUs of each type, e.g. t4=64,v100=32,a100=16.")],
    out: Annotated[Path, typer.Option(help="Write the instance here (optsched/1).")],
    curves: Annotated[Path | None, typer.Option(help="Curves (optsched-curves/1).")] = None,
    llm: Annotated[
        bool, typer.Option("--llm", help="Jobs train language models of 1 to 70 billion parameters, with their plans.")
    ] = False,
    seed: Seed = 0,
    name: Annotated[str, typer.Option(help="Of the instance, for people.")] = "",
    hours: Annotated[
        float | None, typer.Option(help="Give every job work, an arrival within this many hours, and a deadline.")
    ] = None,
    load: Annotated[
        float, typer.Option(help="With --hours: the work of all jobs over what the GPUs do in them.")
    ] = 1.0,
    racks: Annotated[
        int | None,
        typer.Option(min=1, help="Put the servers in this many racks, on a network, and decide on placement."),
    ] = None,
    gbps: Annotated[float | None, typer.Option(help="With --racks: network rate of each server.")] = None,
    oversubscription: Annotated[
        float | None, typer.Option(help="With --racks: what a rack's servers send over what its uplink carries.")
    ] = None,
    server_gpus: Annotated[
        int | None, typer.Option(min=1, help="With --racks: GPUs of each server; default: as measured.")
    ] = None,
    decides: Annotated[
        str | None,
        typer.Option(help="counts, placement (the default), or network, which --racks needs and has as its default."),
    ] = None,
) -> int:
    """Make an instance from fitted curves. Equal options make equal files.

    With --llm each job lists its fastest parallelism plans, by --curves or by the coefficients that are shipped.
    """
    from optsched import save
    from optsched.bench.recipes import Network, Recipe, made
    from optsched.prediction.curves.fitted import load_curves

    writable(out, curves)
    counts: dict[str, int] = {}
    for part in gpus.split(","):
        gpu_type, _, count = part.strip().partition("=")
        if not gpu_type or not count.isdecimal() or gpu_type in counts:
            raise InputError("TYPE=COUNT,..., each type once", path="--gpus", value=shown(part))
        counts[gpu_type] = int(count)
    if llm:
        from optsched.instance.generators.language_models import generate_language_models

        fit = None if curves is None else load_curves(curves).language_models
        save(generate_language_models(counts, jobs, seed, models=fit), out)
        return 0
    if curves is None:
        raise InputError("--curves, or --llm", path="generate")
    options = {
        "racks": racks,
        "gbps": gbps,
        "oversubscription": oversubscription,
        "server_gpus": server_gpus,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if given and not {"racks", "gbps"} <= set(given):
        raise InputError("--racks and --gbps, too, for servers on a network", path="--" + min(given).replace("_", "-"))
    if given:
        wanted = given if decides is None else {**given, "decides": decides}
        changes: dict[str, Any] = {"network": from_options(wanted, Network)}
    else:
        changes = {"decides": _decided(decides or "placement")}
    recipe = Recipe(jobs=jobs, gpus=counts, seed=seed, name=name, hours=hours, load=load, **changes)
    save(made(recipe, load_curves(curves)), out)
    return 0


def _decided(value: str) -> str:
    """Return what an instance without a network decides on; raise InputError where it is something else."""
    if value not in ("counts", "placement"):
        raise InputError(
            "counts or placement, or --racks and --gbps for a network", path="--decides", value=shown(value)
        )
    return value
