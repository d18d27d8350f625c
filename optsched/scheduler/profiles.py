"""What is learnt of the throughput of applications: one profile each, shared by all jobs that run it.

A profile is a line in the logarithms of GPUs, servers and batch, with a level for each GPU type (a
:class:`~optsched.prediction.curves.Power` curve), fitted to means of observations by Bayesian linear regression: a few
numbers, solved in microseconds. The prior of each coefficient is the mean of all applications', so that a GPU type on
which an application never ran is judged by how others fare there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves import Power
from optsched.prediction.curves.base import Count, Name, NonNegative, Positive, PositiveInt

__all__ = ["MEMORY", "Cell", "Profile", "fitted", "most_run", "observed", "refitted"]

MEMORY = 40
"""Rounds that a mean of observations remembers."""
NOISE = 0.1
"""Standard deviation of the logarithm of one mean about the line: what the line does not know, and not chance."""
LEVEL = (0.0, 8.0)
SPEED = (0.0, 0.7)
SLOPES = ((0.85, 0.15), (-0.1, 0.1), (0.3, 0.2))
"""Mean and standard deviation, before anything is observed, of the logarithm of the throughput on one GPU, of how it
differs on a GPU type, and of the exponents of GPUs, servers and local batch."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Observations of one configuration: the mean logarithm of the throughput, and how many rounds it is of."""

    gpu_type: Name
    gpus: PositiveInt
    nodes: PositiveInt
    local_batch: Positive
    log_rate: float
    rounds: Count


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was observed of an application, and the coefficients of its line: level, GPUs, servers, batch, speeds.

    speeds
        Of the GPU types, relative to the level.
    """

    cells: tuple[Cell, ...] = ()
    level: float = LEVEL[0]
    slopes: tuple[float, float, float] = (SLOPES[0][0], SLOPES[1][0], SLOPES[2][0])
    speeds: dict[Name, float] = {}
    typical_batch: NonNegative = 0.0


def observed(profile: Profile | None, gpu_type: str, gpus: int, nodes: int, local_batch: float, rate: float) -> Profile:
    """Return a profile that knows one more round of a configuration; examples/s."""
    profile = profile or Profile()
    key, log = (gpu_type, gpus, nodes, local_batch), float(np.log(rate))
    cells, new = [], True
    for cell in profile.cells:
        if (cell.gpu_type, cell.gpus, cell.nodes, cell.local_batch) == key:
            rounds = cell.rounds + 1
            mean = cell.log_rate + (log - cell.log_rate) / min(rounds, MEMORY)
            cells.append(msgspec.structs.replace(cell, log_rate=mean, rounds=rounds))
            new = False
        else:
            cells.append(cell)
    if new:
        cells.append(Cell(gpu_type=gpu_type, gpus=gpus, nodes=nodes, local_batch=local_batch, log_rate=log, rounds=1))
    return msgspec.structs.replace(profile, cells=tuple(cells))


def refitted(profiles: Mapping[str, Profile], changed: Collection[str], types: Sequence[str]) -> dict[str, Profile]:
    """Return profiles in which the lines of some applications are fitted anew, by what all of them have in common."""
    prior = _population(profiles.values(), types)
    found = dict(profiles)
    for name in changed:
        profile = profiles[name]
        if not profile.cells:
            continue
        typical = float(np.exp(np.mean([np.log(cell.local_batch) for cell in profile.cells])))
        own = _posterior(profile.cells, typical, types, prior)
        found[name] = msgspec.structs.replace(
            profile,
            level=float(own[0]),
            slopes=(float(own[1]), float(own[2]), float(own[3])),
            speeds=dict(zip(types, own[4:].tolist(), strict=True)),
            typical_batch=typical,
        )
    return found


def _population(profiles: Iterable[Profile], types: Sequence[str]) -> FloatArray:
    """Return the mean coefficients over applications, where what was assumed before counts as one of them."""
    rows = [[LEVEL[0], *(mean for mean, _ in SLOPES), *([SPEED[0]] * len(types))]]
    rows += [[p.level, *p.slopes, *(p.speeds.get(t, 0.0) for t in types)] for p in profiles if p.speeds]
    table = np.array(rows)
    mean = table.mean(axis=0)
    if len(rows) > 1:
        mean[0] = table[1:, 0].mean()  # a level that was never observed says nothing
    return np.asarray(mean, dtype=np.float64)


def _posterior(cells: Sequence[Cell], typical: float, types: Sequence[str], prior: FloatArray) -> FloatArray:
    """Return the most likely coefficients: ridge regression towards the prior's means."""
    known = [cell for cell in cells if cell.gpu_type in types]
    features = np.zeros((len(known), len(prior)))
    for row, cell in zip(features, known, strict=True):
        row[:4] = 1.0, np.log(cell.gpus), np.log(cell.nodes), np.log(cell.local_batch / typical)
        row[4 + types.index(cell.gpu_type)] = 1.0
    rates = np.array([cell.log_rate for cell in known])
    spread = np.array([LEVEL[1], *(sd for _, sd in SLOPES), *([SPEED[1]] * len(types))])
    precision = np.diag(spread**-2) + features.T @ features / NOISE**2
    gain = features.T @ (rates - features @ prior) / NOISE**2
    return np.asarray(prior + np.linalg.solve(precision, gain), dtype=np.float64)


def fitted(profile: Profile | None, profiles: Mapping[str, Profile], gpu_type: str, guess: float) -> Power:
    """Return the curve of an application on a GPU type.

    Parameters
    ----------
    profile
        Its own; None where nothing was observed: what applications have in common is then taken.
    guess
        Examples/s on one GPU, where nothing was observed.
    """
    if profile is not None and profile.speeds:
        level, slopes, speed = profile.level, profile.slopes, profile.speeds.get(gpu_type, 0.0)
    else:
        mean = _population(profiles.values(), [gpu_type])
        level, slopes, speed = float(np.log(guess)), tuple(mean[1:4].tolist()), float(mean[4])
    typical = profile.typical_batch if profile is not None and profile.typical_batch else None
    single = float(np.clip(np.exp(level + speed), 1e-29, 1e29))
    a, b, c = (float(np.clip(x, -4, 4)) for x in slopes)
    return Power(single=single, gpus=a, nodes=b, batch=c, typical_batch=typical)


def most_run(profile: Profile | None) -> int:
    """Return the most GPUs that an application has run on; 0 for none."""
    return max((cell.gpus for cell in profile.cells), default=0) if profile is not None else 0
