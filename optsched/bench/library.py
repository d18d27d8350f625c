"""The instance library: what is known of each instance, how it was made, and whether all of that is still true.

A folder of instances with files ``best-known.json`` in it (of the instances in the same folder), ``recipes.json``
with generated instances that are too large to keep, and the best plans in ``solutions/``.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import msgspec

from optsched._util.files import read, read_bytes
from optsched._util.numeric import relative
from optsched.bench.exact import exact
from optsched.bench.grid import is_instance
from optsched.bench.recipes import Recipe, made
from optsched.checker import check
from optsched.errors import InputError, shown
from optsched.instance import Instance, ObjectiveSpec, load, save
from optsched.instance.result import Result, load_result
from optsched.prediction.curves.fitted import load_curves

__all__ = [
    "TAGS",
    "Known",
    "digest",
    "known_in",
    "packaged",
    "plan_of",
    "recipes_in",
    "root_of",
    "solution",
    "tagged",
    "verify",
]

TAGS = {
    "micro": "small enough to be solved by hand",
    "real": "curves that were fitted to published measurements",
    "generated": "made by a recipe, byte for byte",
    "easy": "proven within a second",
    "hard": "proven, but by none of the formulations within ten seconds",
    "open": "not proven to the gap asked for",
    "places": "decides on servers",
    "network": "decides on network rates",
    "time": "a question of schedules or of time shares",
    "infeasible": "has no plan",
}
_REMADE = 2_000
"""Most jobs of an instance that :func:`verify` makes again."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records of the library."""


class Known(_Record, frozen=True):
    """What is known of an instance.

    value, bound
        The best plan's, and what no plan exceeds; None where it is infeasible. The plan is in ``solutions/``.
    exact
        The value as a rational number, where no curve is in it.
    status
        ``optimal``: the bound is within ``gap`` of the value.
    gap
        What was asked for; 1e-6 where nothing is said.
    sha256
        Of the file. An instance never changes; a better one gets another name.
    lp_gap
        (LP bound - value) / value of the configuration formulation's relaxation.
    """

    objective: str
    value: float | None = None
    bound: float | None = None
    exact: str | None = None
    status: Literal["optimal", "feasible", "infeasible"] = "optimal"
    found_by: str = ""
    proved_by: str = ""
    gap: float = 1e-6
    lp_gap: float | None = None
    tags: tuple[str, ...] = ()
    sha256: str = ""
    generate: Recipe | None = None


def known_in(folder: Path) -> dict[str, Known]:
    """Return what is known of the instances in a folder, by their paths in it; raise InputError for a false tag."""
    found: dict[str, Known] = {}
    for file in sorted(folder.rglob("best-known.json")):
        subfolder = file.parent.relative_to(folder)
        for name, known in read(file, dict[str, Known]).items():
            for tag in known.tags:
                if tag not in TAGS:
                    raise InputError(f"one of {', '.join(TAGS)}", path=f"{name}.tags", value=shown(tag), file=str(file))
            found[(subfolder / name).as_posix()] = known
    return found


def packaged() -> Path:
    """Return the library that comes with optsched: of an installed package, or of the clone that it is run from."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "instances"
    return installed if installed.is_dir() else package.parent / "instances"


def root_of(folder: Path) -> Path:
    """Return the library that a folder is in: the outermost with a ``best-known.json``; itself where there is none."""
    whole = folder.resolve()
    found = [up for up in (whole, *whole.parents) if (up / "best-known.json").exists()]
    return found[-1] if found else whole


def tagged(what: Sequence[Path], tags: Sequence[str]) -> list[str]:
    """Return files as they are, and those of folders, which have all of some tags; raise InputError for a false tag."""
    for tag in tags:
        if tag not in TAGS:
            raise InputError(f"one of {', '.join(TAGS)}", path="tag", value=shown(tag))
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


class _Made(_Record, frozen=True):
    """A generated instance that is not kept."""

    generate: Recipe
    sha256: str


def recipes_in(folder: Path) -> dict[str, _Made]:
    """Return the recipes of generated instances in a folder, those of kept ones as well, by name."""
    file = folder / "recipes.json"
    found = read(file, dict[str, _Made]) if file.exists() else {}
    kept = {
        Path(n).stem: _Made(generate=k.generate, sha256=k.sha256) for n, k in known_in(folder).items() if k.generate
    }
    return found | kept


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def plan_of(folder: Path, name: str) -> Path:
    """Return where the best plan of an instance stands."""
    return folder / "solutions" / name


def solution(result: Result) -> Result:
    """Return a result as it is kept: what was found and proven, without how long that took."""
    kept: Result = msgspec.structs.replace(result, build_s=0.0, solve_s=0.0, total_s=0.0, notes=())
    return kept


def verify(folder: Path, name: str, known: Known) -> list[str]:
    """Return what is not true of what a library says of an instance.

    The file is the one that was meant; a generated one is made again and has the same bytes; the best plan keeps all
    rules by the checker, counts and capacities exactly, and has exactly the value, or within 1e-9 where curves, which
    are floats, are in it; the bound is no less.
    """
    path = folder / name
    if not path.exists():
        return ["the file is not there"]
    wrong = [] if digest(path) == known.sha256 else ["the file is not the one that was meant"]
    if known.generate is not None and known.generate.jobs <= _REMADE:
        with tempfile.TemporaryDirectory() as place:
            again = Path(place) / "again.json"
            save(made(known.generate, load_curves(folder / "curves.json")), again)
            if again.read_bytes() != path.read_bytes():
                wrong.append("its recipe makes another file")
    if "time" in known.tags:
        return wrong
    file = plan_of(folder, name)
    if not file.exists():
        return wrong if known.status == "infeasible" else [*wrong, "its best plan is not there"]
    return wrong + _wrong_of_plan(load(path), load_result(file), known)


def _wrong_of_plan(instance: Instance, plan: Result, known: Known) -> list[str]:
    spec = instance.objective if instance.objective.name == known.objective else ObjectiveSpec(name=known.objective)
    if known.value is None or known.bound is None:
        return ["there is a plan, and no value or bound"]
    wrong = [str(violation) for violation in check(instance, plan.allocations, spec, known.value).violations]
    found = exact(instance, plan.allocations, spec)
    wrong += found.violations
    if found.value is not None:
        said = Fraction(known.exact) if known.exact is not None else None
        if said is not None and said != found.value:
            wrong.append(f"{known.exact} is claimed, and {found.value} is true")
        if said is None and not found.by_curves:
            wrong.append(f"it is exactly {found.value}, which is not said")
        if abs(found.value - Fraction(known.value)) > abs(found.value) * Fraction(1, 10**9):
            wrong.append(f"{known.value!r} is claimed, and {float(found.value)!r} is true")
    worse = relative(known.bound - known.value, known.value)
    if known.status == "optimal" and not -1e-9 <= worse <= known.gap * (1 + 1e-6):
        wrong.append(f"called optimal at a gap of {worse:.3g}")
    return wrong
