"""What is to be measured: a grid of methods, instances and seeds, and the runs that it comes to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from optsched._util.files import read
from optsched.errors import InputError, shown
from optsched.instance import ObjectiveSpec
from optsched.prediction.curves.base import Name, Positive
from optsched.problem.formulation import Formulation, current_names, formulations
from optsched.search.solve import HEURISTICS
from optsched.solvers import BACKENDS, MOST_SEED, MOST_THREADS, form_of

__all__ = ["ALL", "Method", "Spec", "Task", "load_spec", "methods", "tasks", "unsupported"]

ALL = "all"
"""Instead of names: every formulation and heuristic, every backend, or every encoding that a formulation has."""
_LOWERED = ("linear", "pyomo")
"""Forms of model that take piecewise-linear functions as rows, so that their encoding makes a difference."""
_NonNegative = Annotated[float, msgspec.Meta(ge=0)]


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file that says what to measure (optsched-bench/1).

    instances
        Instance files, or folders of them, relative to the file's own folder.
    formulations, backends, encodings
        Names, or ``all``. A heuristic and ``auto`` choose their backend themselves, and run once.
    without
        Sets of valid inequalities and symmetry breaking to leave out; each is a method of its own.
    objectives
        Instead of the instances' own.
    seeds, time_limit, gap, threads, memory_gb
        As for :func:`optsched.solve`.
    """

    format: Literal["optsched-bench/1"] = "optsched-bench/1"
    instances: tuple[str, ...] = ()
    formulations: tuple[Name, ...] = (ALL,)
    backends: tuple[Name, ...] = ("highs",)
    encodings: tuple[Name, ...] = ("auto",)
    without: tuple[tuple[Name, ...], ...] = ((),)
    objectives: tuple[ObjectiveSpec, ...] = ()
    seeds: tuple[Annotated[int, msgspec.Meta(ge=0, le=MOST_SEED)], ...] = (0,)
    time_limit: Positive | None = 60.0
    gap: _NonNegative = 1e-4
    threads: Annotated[int, msgspec.Meta(ge=1, le=MOST_THREADS)] = 1
    memory_gb: Positive | None = None


@dataclass(frozen=True, order=True)
class Method:
    """One way to solve; ``without`` is sorted."""

    formulation: str
    encoding: str = "auto"
    backend: str = "auto"
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [self.formulation, *(x for x in (self.encoding, self.backend) if x != "auto")]
        return "/".join(parts) + "".join(f" -{name}" for name in self.without)


@dataclass(frozen=True)
class Task:
    """One run: a method on an instance file; ``fingerprint`` is that of the instance as it was when it was listed."""

    path: str
    name: str
    fingerprint: str
    method: Method
    objective: ObjectiveSpec
    seed: int
    time_limit: float | None
    gap: float
    threads: int
    memory_gb: float | None

    def key(self, versions: Mapping[str, str]) -> str:
        """Return a hash of all that the outcome depends on: what was measured with the same key is not run again."""
        parts = (
            self.fingerprint,
            str(self.method),
            msgspec.to_builtins(self.objective),
            self.seed,
            self.time_limit,
            self.gap,
            self.threads,
            self.memory_gb,
            dict(versions),
        )
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]


def load_spec(path: Path) -> Spec:
    """Read what to measure; instances become paths from here. Raise InputError where the file is wrong."""
    spec = read(path, Spec)
    return msgspec.structs.replace(spec, instances=tuple(str(path.parent / name) for name in spec.instances))


def methods(spec: Spec) -> list[Method]:
    """Return the methods of a grid, each once; raise InputError for an unknown name."""
    known = formulations()
    excluded = [current_names(names) for names in spec.without]
    wanted = [*known, *HEURISTICS] if ALL in spec.formulations else list(spec.formulations)
    backends = list(BACKENDS) if ALL in spec.backends else list(spec.backends)
    for name in wanted:
        if name != "auto" and name not in known and name not in HEURISTICS:
            names = ", ".join([ALL, "auto", *known, *HEURISTICS])
            raise InputError(f"one of {names}", path="formulations", value=shown(name))
    for name in backends:
        if name != "auto" and form_of(name) is None:
            raise InputError(f"one of {ALL}, auto, {', '.join(BACKENDS)} or pyomo:SOLVER", path="backends", value=name)
    for kind, field, mine in (("encoding", spec.encodings, "encodings"), ("cut", sum(excluded, ()), "without")):
        there = {x for f in known.values() for x in (f.encodings if kind == "encoding" else f.cuts)} | {"auto", ALL}
        for name in field:
            if name not in there:
                raise InputError(f"one of {', '.join(sorted(there))}", path=mine, value=shown(name))
    found: dict[Method, None] = {}
    for name in wanted:
        if name not in known:
            found[Method(name)] = None
            continue
        encodings = (known[name].encodings or ("auto",)) if ALL in spec.encodings else spec.encodings
        for backend, encoding, without in product(backends, encodings, excluded):
            if encoding == "pyomo" and ALL in spec.encodings and form_of(backend) != "pyomo":
                continue
            if encoding != "auto" and ALL in spec.encodings and form_of(backend) not in (*_LOWERED, None):
                continue
            found[Method(name, encoding, backend, tuple(sorted(set(without))))] = None
    return list(found)


def unsupported(method: Method) -> str:
    """Return why a method exists for no instance; empty where it may for some."""
    chosen: Formulation | None = formulations().get(method.formulation)
    if chosen is None:
        return ""
    form = form_of("highs" if method.backend == "auto" else method.backend)
    if form not in chosen.forms:
        return f"formulation {chosen.name} has no form for {method.backend}; it has {', '.join(chosen.forms)}"
    if method.encoding != "auto":
        if method.encoding not in chosen.encodings:
            return f"formulation {chosen.name} has no encoding {method.encoding}"
        if form not in _LOWERED:
            return f"{method.backend} takes tables of values, which need no encoding"
    for cut in method.without:
        if cut not in chosen.cuts:
            return f"formulation {chosen.name} has no cut {cut} to leave out"
    return ""


def tasks(spec: Spec, instances: Mapping[str, tuple[str, str, ObjectiveSpec]]) -> Iterator[Task]:
    """Yield the runs of a grid, instance by instance.

    Parameters
    ----------
    instances
        Of each instance file its name in the table, its fingerprint, and its own objective.
    """
    grid = methods(spec)
    for path, (name, stamp, own) in instances.items():
        for objective, seed, method in product(spec.objectives or (own,), spec.seeds, grid):
            yield Task(
                path, name, stamp, method, objective, seed, spec.time_limit, spec.gap, spec.threads, spec.memory_gb
            )
