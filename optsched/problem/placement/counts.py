"""Whether a plan of counts can be placed: its jobs on the servers of their pools, each on its number of nodes.

A plan that decides on counts promises that pools are large enough, and that each job could have its number of nodes
alone; not that all jobs find room at once. Only GPUs are looked at here: cores, memory and networks may forbid more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from optsched.instance import Instance
from optsched.instance.solution import Allocation
from optsched.solvers import Limits, RunContext
from optsched.solvers.linear import LinearModel

__all__ = ["unplaceable"]

_MOST_CELLS = 20_000
"""Most pairs of a job and a server of which an integer program is asked."""


def unplaceable(instance: Instance, allocations: Sequence[Allocation], deadline: float) -> list[str]:
    """Return a sentence for each pool whose jobs find no room on its servers.

    Large jobs are placed first, each on the servers that it fits best; where that fails, an integer program decides,
    until the deadline (of :func:`time.monotonic`). What is not proven is called not found.
    """
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for group in instance.cluster.servers:
        if group.gpu_type is not None:
            sizes[group.site, group.gpu_type] += [group.gpus] * group.count
    held: dict[tuple[str, str], list[Allocation]] = defaultdict(list)
    for a in allocations:
        if a.placement is None:
            held[a.site, a.gpu_type].append(a)
    most = {job.id: job.max_gpus_per_server for job in instance.jobs}
    found = []
    for (site, gpu_type), mine in held.items():
        free = np.array(sizes[site, gpu_type])
        caps = [min(a.gpus, most[a.job] or a.gpus) for a in mine]
        missed = _greedy(free, mine, caps)
        if missed is None:
            continue
        proven = _impossible(free, mine, caps, deadline)
        if proven is not False:
            said = "no packing" if proven else "no packing was found"
            found.append(f"{missed.gpus} GPUs on {missed.nodes} nodes: {said} of {gpu_type}@{site} (job {missed.job})")
    return found


def _greedy(free: np.ndarray, jobs: Sequence[Allocation], caps: Sequence[int]) -> Allocation | None:
    """Place jobs one by one, the largest first; return the first that finds no room, None where all do."""
    left = free.copy()
    for k in sorted(range(len(jobs)), key=lambda k: (-jobs[k].gpus, -jobs[k].nodes)):
        job = jobs[k]
        each = -(-job.gpus // job.nodes)
        tight = np.flatnonzero(left >= each)
        if len(tight) >= job.nodes:  # an even split on the fullest servers that take it
            chosen = tight[np.argsort(left[tight], kind="stable")[: job.nodes]]
        else:  # an uneven one on the emptiest
            chosen = np.argsort(-left, kind="stable")[: job.nodes]
        room = np.minimum(left[chosen], caps[k])
        if len(chosen) < job.nodes or room.sum() < job.gpus or (room < 1).any():
            return job
        gives = np.ones(job.nodes, dtype=np.int64)
        for at in np.argsort(-room, kind="stable"):
            gives[at] += min(room[at] - 1, job.gpus - gives.sum(), each - 1)
        for at in np.argsort(-room, kind="stable"):
            gives[at] += min(room[at] - gives[at], job.gpus - gives.sum())
        left[chosen] -= gives
    return None


def _impossible(free: np.ndarray, jobs: Sequence[Allocation], caps: Sequence[int], deadline: float) -> bool | None:
    """Tell by an integer program whether there is no packing; None where that is not decided.

    y_js GPUs of job j on server s, z_js whether there are any: sum_s y_js = g_j, sum_s z_js = n_j,
    z_js <= y_js <= c_js z_js, sum_j y_js <= G_s.
    """
    from optsched.solvers import highs

    servers = len(free)
    if len(jobs) * servers > _MOST_CELLS:
        return None
    model = LinearModel()
    cells = len(jobs) * servers
    cap = np.minimum(np.repeat(caps, servers), np.tile(free, len(jobs))).astype(np.float64)
    y = model.add_variables("y", cells, upper=cap, integer=True)
    z = model.add_variables("z", cells, upper=1.0, integer=True)
    of_job, of_server = np.repeat(np.arange(len(jobs)), servers), np.tile(np.arange(servers), len(jobs))
    gpus = np.array([a.gpus for a in jobs], dtype=np.float64)
    nodes = np.array([a.nodes for a in jobs], dtype=np.float64)
    own = np.arange(cells)
    model.add_rows("gpus", (of_job, y, np.ones(cells)), lower=gpus, upper=gpus, size=len(jobs))
    model.add_rows("nodes", (of_job, z, np.ones(cells)), lower=nodes, upper=nodes, size=len(jobs))
    both = (np.append(own, own), np.append(y, z))
    model.add_rows("most", (*both, np.append(np.ones(cells), -cap)), upper=np.zeros(cells), size=cells)
    model.add_rows("least", (*both, np.append(-np.ones(cells), np.ones(cells))), upper=np.zeros(cells), size=cells)
    model.add_rows("room", (of_server, y, np.ones(cells)), upper=free.astype(np.float64), size=servers)
    outcome = highs.solve(model, RunContext(Limits(deadline)))
    if outcome.values is not None:
        return False
    return True if outcome.status == "infeasible" else None
