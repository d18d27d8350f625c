"""Several objectives, the most important first, with a tolerance between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from optsched.instance import Instance, ObjectiveSpec, admit
from optsched.instance.objectives import objectives_of
from optsched.instance.result import Result
from optsched.search.lexicographic import lexicographic
from optsched.search.solve import solve
from optsched.solvers import Progress

__all__ = ["in_order"]


def in_order(
    instance: Instance | Path | str,
    objectives: str | Sequence[ObjectiveSpec],
    *,
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Result:
    """Decide by the first objective, among its best plans by the second, and so on.

    Each objective becomes a limit for those that follow, at the value that was reached less a tolerance (the
    lexicographic method; Miettinen, Nonlinear Multiobjective Optimization (1999), sec. 4.2). So an objective that
    follows can never cost an earlier one more than that.

    Parameters
    ----------
    objectives
        Text such as ``max-min,progress``, or records: at least one, the most important first; one whose levels are
        compared in lexicographic order is the last.
    tolerance
        Relative loss that each objective leaves to those after it, >= 0.
    time_limit
        Seconds in all, of which each objective has an equal part of what is left.
    options
        Of :func:`optsched.solve`.

    Returns
    -------
    Result
        With the value, bound and gap of the first objective, and those of each in ``goals``: bounds hold among the
        plans that keep the limits of the objectives before. Optimal where every one of them is.
    """
    wanted = objectives_of(objectives) if isinstance(objectives, str) else objectives
    solved = partial(solve, progress=progress, **options)
    return lexicographic(solved, admit(instance), wanted, tolerance=tolerance, time_limit=time_limit)
