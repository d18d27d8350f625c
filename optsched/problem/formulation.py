"""What a formulation offers, and where formulations are found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol, TypeVar

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, OptschedError, shown
from optsched.problem.problem import Plan, Problem
from optsched.solvers.disjunctions import Disjunctions

__all__ = [
    "DEFAULT",
    "GROUP",
    "Choices",
    "Formulated",
    "Formulation",
    "ModelOptions",
    "Support",
    "counts_only",
    "formulation",
    "formulations",
    "installed",
    "renamed",
]

GROUP = "optsched.formulations"
"""The entry-point group under which any package can add formulations."""


class Support(NamedTuple):
    """Whether a formulation can carry a problem, and if not, why."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class ModelOptions:
    """What a builder may be told, for those who compare models; the default leaves everything to it.

    encoding
        How piecewise-linear functions are put in linear terms, by name; ``auto``: by curvature and size.
    exclude
        Names of the valid inequalities and symmetry breaking to leave out.
    """

    encoding: str = "auto"
    exclude: frozenset[str] = frozenset()


DEFAULT = ModelOptions()


def Choices(encoding: str = "auto", without: frozenset[str] = frozenset()) -> ModelOptions:  # noqa: N802
    """Return model options: the deprecated name of :class:`ModelOptions`, in which ``exclude`` was ``without``."""
    warnings.warn("Choices(encoding, without) is now ModelOptions(encoding, exclude)", DeprecationWarning, stacklevel=2)
    return ModelOptions(encoding, without)


def renamed(options: ModelOptions, choices: ModelOptions | None) -> ModelOptions:
    """Return the options of a public function, of which ``choices=`` is the deprecated keyword."""
    if choices is None:
        return options
    warnings.warn("the keyword choices= is now options=", DeprecationWarning, stacklevel=3)
    return choices


@dataclass(frozen=True)
class Formulated:
    """A problem as a model in one backend's form.

    model
        A ``LinearModel``, a ``PyomoModel``, or a ``cp_model.CpModel``; all maximize.
    read
        From the values of the model's variables to a plan.
    start
        The other way round; None where the form takes no start.
    scale
        Objective of the problem per unit of the model's objective. The model over-estimates:
        ``scale`` times its bound bounds the objective on the true curves.
    error
        Proven largest relative error of the linearization in it.
    notes
        What was chosen in building it, and why.
    rates
        From the values of the model's variables to the network rate of each row, shape ``(rows,)``, nan for none; None
        where the model decides on none.
    cut
        Adds valid rows to the model that a point violates, which would be too many to have them all, and returns their
        number; None where the model is whole.
    disjunctions
        Returns what is to be decided, for a search that branches on it; None where columns say it all.
    """

    model: Any
    read: Callable[[FloatArray], Plan]
    start: Callable[[Plan], FloatArray] | None = None
    scale: float = 1.0
    error: float = 0.0
    notes: tuple[str, ...] = ()
    rates: Callable[[FloatArray], FloatArray] | None = None
    cut: Callable[[FloatArray], int] | None = None
    disjunctions: Callable[[], Disjunctions] | None = None


@dataclass(frozen=True)
class Formulation:
    """A mathematical model of the decision.

    decides
        What it decides, for people.
    forms
        For each form of model (``linear``, ``pyomo``, ``cpsat``) what builds it, as ``build(problem, options)``.
        Builders import what they need when they are called.
    encodings, cuts
        Names that :class:`ModelOptions` may hold for it.
    """

    name: str
    decides: str
    supports: Callable[[Problem], Support]
    forms: Mapping[str, Callable[[Problem, ModelOptions], Formulated]]
    exact: bool = True
    encodings: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()

    def admit(self, options: ModelOptions) -> None:
        """Raise InputError for options that name what the formulation does not have."""
        known = self.encodings or (DEFAULT.encoding,)
        if options.encoding not in known:
            raise InputError(
                f"an encoding of formulation {self.name}: {', '.join(known)}",
                path="encoding",
                value=shown(options.encoding),
            )
        for name in sorted(options.exclude):
            if name not in self.cuts:
                expected = (
                    f"a part of formulation {self.name} that can be left out: {', '.join(self.cuts) or 'it has none'}"
                )
                raise InputError(expected, path="exclude", value=shown(name))


def counts_only(problem: Problem) -> Support:
    """Tell whether a problem decides on counts only, for formulations that know no places."""
    decides = problem.instance.decides
    return Support(decides == "counts", "" if decides == "counts" else f"the instance decides on {decides}")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


F = TypeVar("F", bound=_Named)


def installed(group: str, kind: type[F]) -> dict[str, F]:
    """Return what the entry points of a group offer, by name; raise OptschedError for one that is broken."""
    found: dict[str, F] = {}
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise OptschedError(f"the entry point {point.value} of {group} cannot be loaded: {error}") from error
        if not isinstance(loaded, kind):
            raise OptschedError(f"the entry point {point.value} of {group} is no {kind.__name__} but {shown(loaded)}")
        if found.setdefault(loaded.name, loaded) is not loaded:
            raise OptschedError(f"two formulations of {group} are called {loaded.name!r}: the second is {point.value}")
    return found


@cache
def formulations() -> dict[str, Formulation]:
    """Return all installed formulations by name; raise OptschedError for one that is broken."""
    return installed(GROUP, Formulation)


def formulation(name: str) -> Formulation:
    """Return an installed formulation; raise InputError for an unknown name."""
    known = formulations()
    if name not in known:
        raise InputError(f"one of {', '.join(known)}", path="formulation", value=shown(name))
    return known[name]
