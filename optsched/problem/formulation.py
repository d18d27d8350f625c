"""What a formulation offers, and where formulations are found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from optsched._util.arrays import FloatArray
from optsched._util.registry import Registry
from optsched.errors import InputError, OptschedError, SolverError, shown
from optsched.problem.problem import Plan, Problem
from optsched.solvers.disjunctions import Disjunctions

__all__ = [
    "DEFAULT",
    "FORMULATIONS",
    "Choices",
    "Formulated",
    "Formulation",
    "ModelOptions",
    "Support",
    "counts_only",
    "formulation",
    "formulations",
    "renamed",
]


class Support(NamedTuple):
    """Whether a formulation can carry a problem, and if not, why."""

    ok: bool
    reason: str = ""


_RENAMED = {"homes": "domains", "filled": "full-servers", "meetings": "colocation"}
"""Parts of models that had another name before."""


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "exclude", frozenset(current_names(self.exclude)))


def current_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return parts of models to leave out by their names of today; those of earlier versions are deprecated."""
    found = []
    for name in names:
        if name in _RENAMED:
            warnings.warn(f"{name} is now {_RENAMED[name]}", DeprecationWarning, stacklevel=3)
        found.append(_RENAMED.get(name, name))
    return tuple(found)


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

    def supported(self, problem: Problem) -> Support:
        """Tell whether it can carry a problem; if its own code fails, it cannot, and that is the reason."""
        try:
            return self.supports(problem)
        except Exception as error:  # code of others: it may raise anything
            return Support(False, f"formulation {self.name} is broken ({type(error).__name__}: {error})")

    def built(self, form: str, problem: Problem, options: ModelOptions) -> Formulated:
        """Return the model in a form; raise SolverError where the code that builds it fails."""
        try:
            return self.forms[form](problem, options)
        except OptschedError:
            raise
        except Exception as error:  # code of others: it may raise anything
            raise SolverError(f"formulation {self.name} is broken ({type(error).__name__}: {error})") from error

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


FORMULATIONS = Registry[Formulation]("optsched.formulations", Formulation, "formulation")
"""The formulations of all installed packages: an entry point of the group adds one."""


def formulations() -> dict[str, Formulation]:
    """Return all installed formulations by name, without those that are broken."""
    return FORMULATIONS.found


def formulation(name: str) -> Formulation:
    """Return an installed formulation; raise InputError for an unknown name, OptschedError for one that is broken."""
    return FORMULATIONS.get(name, path="formulation")
