"""What a plan hangs on: worlds in which the predicted throughputs are off, and what would be better there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from optsched._util.arrays import FloatArray
from optsched._util.numeric import relative
from optsched.checker import check_plan
from optsched.explain.oracle import Asker, Report
from optsched.explain.plans import claimed_anew, confirmed
from optsched.explain.records import Flip, Sensitivity, World
from optsched.instance import Instance, ObjectiveSpec, admit, trust
from optsched.instance.objectives import one_objective
from optsched.instance.solution import Allocation
from optsched.prediction.curves import Points
from optsched.prediction.curves.base import Z80, CurveBase

__all__ = ["sensitivity", "shifted"]


class Shifted(CurveBase, frozen=True, kw_only=True, tag="shifted"):
    """A curve whose throughput is off by ``deviations`` standard deviations of its logarithm.

    It stands in no file: it is the truth as it may be.
    """

    curve: Any
    deviations: float

    @property
    def needs_batch(self) -> bool:  # type: ignore[override]
        """As the curve's."""
        return bool(self.curve.needs_batch)

    @property
    def scaling(self) -> Any:  # type: ignore[override]
        """As the curve's."""
        return self.curve.scaling

    @property
    def on_network(self) -> bool:  # type: ignore[override]
        """As the curve's."""
        return bool(self.curve.on_network)

    def throughput(self, points: Points) -> FloatArray:
        """Return examples/s, shape ``(n,)``."""
        off: FloatArray = self.curve.throughput(points) * np.exp(self.deviations * self.curve.log_deviation(points))
        return off

    def log_deviation(self, points: Points) -> FloatArray:
        """Return that of the curve."""
        found: FloatArray = self.curve.log_deviation(points)
        return found

    def rate_curvature(self, points: Points) -> FloatArray:
        """Return that of the curve: a deviation that does not depend on the rate is a factor."""
        found: FloatArray = self.curve.rate_curvature(points)
        return found


def shifted(instance: Instance, deviations: dict[str, float]) -> Instance:
    """Return the instance in which some curves are off by a number of standard deviations of their logarithms."""
    curves: dict[str, Any] = dict(instance.curves)
    for name, amount in deviations.items():
        curve = curves[name]
        curves[name] = Shifted(
            curve=curve, deviations=amount, max_local_batch=curve.max_local_batch, spread=curve.spread
        )
    return trust(replace(instance, curves=curves))


def sensitivity(
    instance: Instance | Path | str,
    allocations: Sequence[Allocation],
    *,
    objective: str | ObjectiveSpec | None = None,
    draws: int = 4,
    seed: int = 0,
    gap: float = 1e-4,
    seconds: float | None = 60.0,
    time_limit: float | None = None,
    report: Report | None = None,
) -> Sensitivity:
    """Solve again in worlds where curves are off, and compare.

    Each curve in use is taken to both ends of its 80 % interval, the others staying; then come random worlds, in which
    the logarithm of every curve is off by a normal deviate of its own. A job's share flips where the present plan is
    not within the gap of the best one there, and the job's GPU type, site or number of GPUs is another: plans of equal
    worth flip nothing. Regret: what the present plan loses against the best one (Savage, J. Am. Stat. Assoc. 46
    (1951)). What progress 1.0 means follows the truth, so that a job of one curve progresses alike in all worlds.

    Parameters
    ----------
    draws, seed
        Number of random worlds, and their seed.
    report
        Called with what is being asked, for people who wait.
    """
    instance = admit(instance)
    spec = one_objective(objective, instance.objective)
    confirmed(instance, allocations, spec)
    asker = Asker.within(time_limit, spec, gap, seconds, report)
    worlds = tuple(_world(instance, allocations, name, shift, asker) for name, shift in _worlds(instance, draws, seed))
    flips: dict[str, int] = {}
    for world in worlds:
        for flip in world.flips:
            flips[flip.job] = flips.get(flip.job, 0) + 1
    regrets = [world.regret for world in worlds if world.regret is not None]
    return Sensitivity(objective=spec, worlds=worlds, flips=flips, worst_regret=max(regrets, default=None))


def _worlds(instance: Instance, draws: int, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    used = sorted({name for job in instance.jobs for name in job.curves.values()})
    used = [name for name in used if _uncertain(instance, name)]
    for name in used:
        yield f"{name} low", {name: -Z80}
        yield f"{name} high", {name: Z80}
    draw = np.random.default_rng(seed)
    for number in range(draws if used else 0):
        off = draw.standard_normal(len(used)).tolist()
        yield f"draw {number}", dict(zip(used, off, strict=True))


def _uncertain(instance: Instance, name: str) -> bool:
    curve = instance.curves[name]
    return bool(curve.spread > 0 or getattr(curve, "belief", None) is not None)


def _world(
    instance: Instance, allocations: Sequence[Allocation], name: str, shift: dict[str, float], asker: Asker
) -> World:
    """Compare the present plan with the best one of a world."""
    there = shifted(instance, shift)
    present = claimed_anew(there, allocations)
    report = check_plan(there, present, asker.spec)
    broken = tuple(str(violation) for violation in report.violations)
    value = report.value if report.ok else None
    asker.about = name
    found = asker.best(there)
    if found is None or found.value is None:
        return World(name=name, shift=shift, value=value, broken=broken)
    flips, regret, most = tuple(_flips(allocations, found.allocations)), None, None
    if value is not None:
        regret = max(0.0, asker.sign * (found.value - value))
        most = None if found.bound is None else max(regret, asker.sign * (found.bound - value))
        if relative(regret, value) <= asker.gap:
            flips = ()
    return World(
        name=name,
        shift=shift,
        value=value,
        best=found.value,
        regret=regret,
        regret_bound=most,
        flips=flips,
        broken=broken,
    )


def _flips(now: Sequence[Allocation], then: Sequence[Allocation]) -> Iterator[Flip]:
    before, after = ({a.job: f"{a.gpus} {a.gpu_type}@{a.site}" for a in plan} for plan in (now, then))
    for job in dict.fromkeys([*before, *after]):
        if before.get(job) != after.get(job):
            yield Flip(job=job, now=before.get(job, "waits"), then=after.get(job, "waits"))
