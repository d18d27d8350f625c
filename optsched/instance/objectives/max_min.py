"""Max-min fairness: who progresses least, for the weight, progresses as much as possible."""

from __future__ import annotations

import msgspec

from optsched.instance.objectives.base import Objective


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether, of all plans of the greatest least value, the second least counts, and so on."""

    lexicographic: bool = False


def make(parameters: Parameters) -> Objective:
    """Return the objective: Gavel's max-min (OSDI'20, sec. 4.1), over whole rounds instead of time fractions.

    Gavel fills up bottlenecks one by one by water filling (sec. 4.2); over whole configurations that is the
    lexicographic order (Ogryczak, Pióro and Tomaszewski, J. Telecomm. Inf. Tech. 3 (2005), sec. 3).
    """
    return Objective(
        name="max-min",
        meaning="least goodput / reference goodput / weight of any job",
        source="Gavel (OSDI'20, sec. 4.1)",
        unit="references",
        value=lambda rates: rates.progress / rates.divisor,
        aggregate="lexmin" if parameters.lexicographic else "min",
    )
