"""What ``optsched instances`` does and prints."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from optsched.bench.features import features
from optsched.bench.grid import is_instance
from optsched.bench.library import TAGS, Known, digest, known_in, recipes_in, root_of, verify
from optsched.bench.recipes import made
from optsched.cli.output import print_json, writable
from optsched.curves.fitted import load_curves
from optsched.errors import InputError, shown
from optsched.instance import load, save

__all__ = ["instances", "tagged"]


def instances(
    folder: Path, tags: Sequence[str], verifying: bool, make: str | None, out: Path | None, as_json: bool
) -> int:
    """List, verify or make instances."""
    if not folder.is_dir():
        raise InputError("a folder of instances", file=str(folder))
    if make is not None:
        return _make(root_of(folder), make, out)
    root = root_of(folder)
    known = known_in(root)
    chosen = [Path(path).resolve().relative_to(root).as_posix() for path in tagged([folder], tags)]
    if verifying:
        inside = folder.resolve()
        meant = {n: k for n, k in known.items() if (root / n).is_relative_to(inside) and set(tags) <= set(k.tags)}
        return _verify(root, meant, [name for name in chosen if name not in known], as_json)
    rows = [_row(root / name, name, known.get(name, Known(objective=""))) for name in chosen]
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    return 0


def tagged(what: Sequence[Path], tags: Sequence[str]) -> list[str]:
    """Return files as they are, and those of folders, which have all of some tags."""
    for tag in tags:
        if tag not in TAGS:
            raise InputError(f"one of {', '.join(TAGS)}", path="--tag", value=shown(tag))
    found: list[str] = []
    for path in what:
        if not path.is_dir():
            found.append(str(path))
            continue
        root, none = root_of(path), Known(objective="")
        known = known_in(root)
        for file in sorted(path.rglob("*.json")):
            name = file.resolve().relative_to(root).as_posix()
            if is_instance(file) and set(tags) <= set(known.get(name, none).tags):
                found.append(str(file))
    return found


def _make(folder: Path, name: str, out: Path | None) -> int:
    """Make an instance by its recipe; exit code 1 if it is not, byte for byte, the one that was meant."""
    recipes = recipes_in(folder)
    if name not in recipes:
        raise InputError(
            f"one of {', '.join(recipes) or 'the recipes, of which there are none'}", path="--make", value=name
        )
    if out is None:
        raise InputError("--out with --make", path="--out")
    writable(out)
    save(made(recipes[name].generate, load_curves(folder / "curves.json")), out)
    if digest(out) == recipes[name].sha256:
        return 0
    print("it is not, byte for byte, the instance that was meant: is NumPy, or the machine, another?", file=sys.stderr)
    return 1


def _verify(folder: Path, known: Mapping[str, Known], unknown: Sequence[str], as_json: bool) -> int:
    wrong = {name: verify(folder, name, entry) for name, entry in known.items()}
    wrong |= {name: ["nothing is known of it"] for name in unknown}
    if as_json:
        print_json(wrong)
    else:
        for name, reasons in wrong.items():
            print(f"{name}: {'; '.join(reasons) or 'true'}")
    return 1 if any(wrong.values()) else 0


def _row(path: Path, name: str, known: Known) -> dict[str, Any]:
    return {
        "instance": name.removesuffix(".json"), **msgspec.to_builtins(features(load(path))),
        **({"objective": known.objective} if known.objective else {}), "value": known.value, "bound": known.bound,
        "status": known.status if known.objective else None, "lp_gap": known.lp_gap, "tags": list(known.tags),
    }  # fmt: skip


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    from optsched.report import _console, _table

    table = _table(
        "instance", "decides", "objective", "jobs", "GPUs", "types", "sites", "ways", "load", "best", "gap", "LP gap",
        "tags", left=3,
    )  # fmt: skip
    for row in rows:
        value, bound = row["value"], row["bound"]
        gap = None if value is None or bound is None else abs(bound - value) / max(1e-12, abs(value))
        table.add_row(
            row["instance"], row["decides"], row["objective"], str(row["jobs"]), str(row["gpus"]),
            str(row["gpu_types"]), str(row["sites"]), str(row["configurations"]), f"{row['load']:.3g}",
            "" if value is None else f"{value:.6g}", _percent(gap), _percent(row["lp_gap"]), ", ".join(row["tags"]),
        )  # fmt: skip
    console = _console()
    console.print(table)
    console.print(
        f"{len(rows)} instances; ways: configurations of all jobs; load: GPUs that they could use, by those there are"
    )


def _percent(part: float | None) -> str:
    return "" if part is None else f"{100 * part:.3g} %"
