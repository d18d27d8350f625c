"""Models as files that other solvers read: a formulation in its linear form as MPS or LP, or for CP-SAT as its proto.

Every file's optimum is that of the problem, for sums and minima alike: units are undone, and the linearization
over-estimates by ``Exported.error`` at most. LP files and protos maximize. MPS files minimize the negated objective,
since readers without a section for the sense (GLPK) minimize whatever they read; their optimum is the problem's with
the other sign.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optsched._util.files import read_bytes, write_bytes
from optsched.errors import InputError, SolverError, shown
from optsched.instance import Instance, ObjectiveSpec, admit
from optsched.instance.objectives import one_objective
from optsched.model_files.linear import lp_text, mps_text
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, Formulated, ModelOptions, renamed
from optsched.problem.formulation import formulation as installed

__all__ = ["SUFFIXES", "Exported", "export"]

SUFFIXES = {".mps": "linear", ".lp": "linear", ".pb": "cpsat", ".pbtxt": "cpsat"}
"""The form of model that each kind of file holds."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    columns, integers, rows
        Numbers of variables, of integer ones among them, and of constraints.
    factor
        The problem's objective for 1 of the file's: 1, or -1 where the file has the other sign.
    error
        Proven largest relative error of the linearization: the file's optimum is above the true one by no more.
    notes
        What was chosen in building the model, and why.
    """

    out: str
    formulation: str
    form: str
    columns: int
    integers: int
    rows: int
    factor: float
    error: float
    notes: tuple[str, ...]


def export(
    instance: Instance | Path | str,
    out: Path | str,
    *,
    formulation: str,
    objective: str | ObjectiveSpec | None = None,
    options: ModelOptions = DEFAULT,
    gap: float = 1e-4,
    choices: ModelOptions | None = None,
) -> Exported:
    """Write the model of an instance to a file, whole or not at all.

    Parameters
    ----------
    out
        Its suffix names the kind: ``.mps``, ``.lp``, or ``.pb`` and ``.pbtxt`` for CP-SAT's proto, binary or as text.
    formulation
        Name of an installed formulation.
    objective
        Instead of the instance's own, as text (``alpha-fair:alpha=2``) or as a record.
    options
        The encoding, and what to leave out of the model; ``choices=`` is the deprecated keyword.
    gap
        As in :func:`optsched.solve`: half of it is what the linearization may over-estimate by.

    Raises
    ------
    InputError
        For an unknown suffix, name or choice, for a formulation that does not carry the instance, and where the file
        cannot be written.
    SolverError
        For a formulation without the form that the file holds.
    """
    options = renamed(options, choices)
    kind = Path(out).suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(f"a name that ends in {', '.join(SUFFIXES)}", path="out", value=shown(str(out)))
    if not gap >= 0:
        raise InputError("a gap >= 0", path="gap", value=shown(gap))
    chosen, form = installed(formulation), SUFFIXES[kind]
    chosen.admit(options)
    if form not in chosen.forms:
        kinds = [suffix for suffix, form in SUFFIXES.items() if form in chosen.forms]
        raise SolverError(
            f"formulation {formulation} has no form for {kind} files; it has {', '.join(kinds) or 'none'}"
        )
    instance = admit(instance)
    spec = one_objective(objective, instance.objective)
    problem = build_problem(instance, spec, error=gap / 2)
    support = chosen.supports(problem)
    if not support.ok:
        expected = f"another formulation than {formulation}: {support.reason}"
        raise InputError(expected, path="formulation", value=shown(formulation))
    built = chosen.forms[form](problem, options)
    sign = problem.objective.sign
    sense = "the objective" if sign > 0 else "the negated objective, which is to be least,"
    about = (
        f"{instance.name or 'an instance'}: objective {problem.objective.name}, formulation {formulation}, by optsched",
        f"model options: encoding {options.encoding}; without {', '.join(sorted(options.exclude)) or 'nothing'}",
        f"relative error of the linearization: {built.error:.3g}, above the true values; {sense} is to be maximized",
    )
    if form == "cpsat":
        content, counts = _proto(built, kind)
    else:
        text = (mps_text if kind == ".mps" else lp_text)(built.model, built.scale, about)
        counts = built.model.columns, int(built.model.integer.sum()), sum(len(b.lower) for b in built.model.rows)
        content = text.encode("ascii")
    write_bytes(out, content)
    factor = sign * (-1.0 if kind == ".mps" else 1.0)
    return Exported(str(out), formulation, form, *counts, factor, built.error, built.notes)


def _proto(built: Formulated, kind: str) -> tuple[bytes, tuple[int, int, int]]:
    """Return a CP-SAT model's proto, its objective in the units of the problem, and its counts."""
    model: Any = built.model.clone()
    model.proto.objective.scaling_factor *= built.scale
    with tempfile.TemporaryDirectory(prefix="optsched-") as folder:
        path = Path(folder) / f"model{kind}"
        if not model.export_to_file(str(path)):
            raise SolverError("CP-SAT could not write the model")
        content = read_bytes(path)
    columns = len(model.proto.variables)
    return content, (columns, columns, len(model.proto.constraints))
