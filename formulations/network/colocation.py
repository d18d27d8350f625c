"""C24: jobs that cannot but meet on a server share its rate."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from formulations.network.sets import Options
from optsched._util.arrays import IntArray
from optsched.solvers.linear import LinearModel

__all__ = ["add_meetings"]

_MOST = 2_000
"""Most pairs of jobs that may meet in a domain: of more, the rows would outgrow the model."""


def add_meetings(model: LinearModel, o: Options, job: IntArray, pieces: IntArray, rate: IntArray) -> None:
    """Add C24 for pairs of jobs with rings.

    A ring stands on a server of its own with each piece, and sends its rate from each. What does not fit elsewhere
    stands in a domain; where two jobs have more such pieces there than it has servers, they meet on one of these.

    Parameters
    ----------
    job, pieces, rate
        Of each option: its job, how many pieces of workers it has, and its column B; shape ``(o,)``.
    """
    network = np.array([c.network_gbps for c in o.classes])
    found: list[tuple[IntArray, float]] = []
    pairs = 0
    for domain in o.domains:
        servers, limit = int(o.sizes[domain].sum()), float(network[domain].max())
        if not np.isfinite(limit):
            continue
        outside = (o.domains & ~domain) @ o.sizes
        surely = np.where(o.ring & (o.domains & domain).any(axis=1)[o.domain], pieces - outside[o.domain], 0)
        of = {j: np.flatnonzero((job == j) & (surely > 0)) for j in np.unique(job[surely > 0]).tolist()}
        most = {j: int(surely[mine].max()) for j, mine in of.items()}
        meeting = [(i, j) for i, j in combinations(of, 2) if most[i] + most[j] > servers]
        pairs += len(meeting)
        if pairs > _MOST:
            return
        for i, j in meeting:
            least, known = np.unique(surely[of[i]]).tolist(), 0
            for count in least:
                other = of[j][surely[of[j]] > servers - count]
                if len(other) > known:  # fewer options of the one meet more of the other
                    known = len(other)
                    found.append((np.concatenate([of[i][surely[of[i]] >= count], other]), limit))
    if found:
        row = np.repeat(np.arange(len(found)), [len(options) for options, _ in found])
        column = rate[np.concatenate([options for options, _ in found])]
        limits = np.array([limit for _, limit in found])
        model.add_rows("C24", (row, column, 1.0), upper=limits, size=len(found))
