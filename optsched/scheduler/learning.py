"""Jobs as they are offered: with the curves that were learnt of their applications, and no more GPUs than is wise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.instance import Cluster, Configuration
from optsched.prediction.curves import Corrected, Curve
from optsched.prediction.curves.base import Name, PositiveInt
from optsched.scheduler.corrections import Ratios, factors, ratios_of, ratios_to
from optsched.scheduler.inputs import number, plain
from optsched.scheduler.profiles import Profile, fitted, most_run, observed
from optsched.scheduler.records import LiveJob
from optsched.scheduler.state import State, held_now

__all__ = ["Learned", "state_told"]

UNKNOWN_S = 3600.0
"""Seconds that a job is taken to need on one GPU where nothing is known of its application."""
MOST_FACTORS = 512
"""GPUs up to which a curve is corrected one by one."""


class Running(msgspec.Struct, frozen=True):
    """The part of a configuration that is observed; what else stands there is passed over."""

    gpu_type: Name
    gpus: PositiveInt
    nodes: PositiveInt | None = None


def _told(
    profiles: Mapping[str, Profile], cluster: Cluster, application: str, configuration: Any, step_time: Any, batch: Any
) -> Profile:
    """Return the profile of an application that knows one more observation; raise InputError where that is none."""
    running = convert(plain(configuration), Running)
    if running.gpu_type not in {gpu.id for gpu in cluster.gpu_types}:
        expected = "a GPU type of the cluster"
        raise InputError(expected, path="configuration.gpu_type", value=shown(running.gpu_type))
    seconds, examples = number(step_time, "step_time"), number(batch, "batch")
    for path, value in (("step_time", seconds), ("batch", examples)):
        if value <= 0:
            raise InputError("a number > 0", path=path, value=shown(value))
    rate = examples / seconds
    if not 1e-30 < rate < 1e30:
        raise InputError("a throughput between 1e-30 and 1e30 examples/s", path="step_time", value=shown(step_time))
    nodes = running.nodes or 1
    known = profiles.get(application)
    return observed(known, running.gpu_type, running.gpus, nodes, examples / running.gpus, rate)


def state_told(
    state: State,
    cluster: Cluster,
    job: str,
    application: str | None,
    configuration: Any,
    step_time: Any,
    batch: Any,
    gradient_noise: Any,
) -> State:
    """Return the state that knows one more observation of a job; see :meth:`optsched.Scheduler.observe`."""
    known = state.jobs.get(job)
    if step_time is not None or batch is not None:
        name = application or (known.application if known is not None else None)
        if not isinstance(name, str):
            raise InputError(f"the application of job {job!r}", path="application", value=shown(name))
        ran = held_now(state, job) if configuration is None else configuration
        if ran is None:
            raise InputError("a configuration: the job holds none", path="configuration", value="none")
        profile = _told(state.profiles, cluster, name, ran, step_time, batch)
        unfitted = state.unfitted if name in state.unfitted else (*state.unfitted, name)
        state = msgspec.structs.replace(state, profiles=state.profiles | {name: profile}, unfitted=unfitted)
    if gradient_noise is not None:
        noise = number(gradient_noise, "gradient_noise")
        if known is not None:
            told = msgspec.structs.replace(known, gradient_noise=noise)
            state = msgspec.structs.replace(state, jobs=state.jobs | {job: told})
    return state


class Learned:
    """Curves of applications, made once for each profile and kept until it changes.

    Parameters
    ----------
    grow
        Jobs whose throughput is learnt are offered at most this multiple of the GPUs that their application has run on;
        None: any number.
    """

    def __init__(self, grow: float | None) -> None:
        self._grow = grow
        self._profiles: Mapping[str, Profile] = {}
        self._cluster: Cluster | None = None
        self._made: dict[tuple[str, ...], Any] = {}

    def offered(
        self, jobs: Sequence[LiveJob], curves: Mapping[str, Curve], profiles: Mapping[str, Profile], cluster: Cluster
    ) -> tuple[list[LiveJob], dict[str, Curve]]:
        """Return jobs with the curves that they follow, and all curves by name.

        Raises
        ------
        InputError
            For a job of which nothing says how fast it is: neither curves nor configurations nor an application.
        """
        if profiles is not self._profiles or cluster is not self._cluster:
            self._profiles, self._cluster, self._made = profiles, cluster, {}
        found, all_curves = [], dict(curves)
        for index, job in enumerate(jobs):
            profile = profiles.get(job.application) if job.application is not None else None
            if job.curves or job.configurations:
                if profile is not None and profile.cells:
                    job = self._corrected(job, profile, curves, all_curves)
            elif job.application is None:
                expected = "curves, configurations, or an application whose throughput is learnt"
                raise InputError(expected, path=f"$.jobs[{index}]", value="none of them")
            else:
                job = self._learnt(job, job.application, profile, all_curves)
            found.append(job)
        return found, all_curves

    def _learnt(self, job: LiveJob, application: str, profile: Profile | None, curves: dict[str, Curve]) -> LiveJob:
        """Return a job with the curves of its application's profile."""
        assert self._cluster is not None
        names = {}
        for gpu in job.gpu_types or tuple(gpu.id for gpu in self._cluster.gpu_types):
            name = _name("learnt", application, gpu)
            if (made := self._made.get((name,))) is None:
                base = fitted(profile, self._profiles, gpu, (job.remaining_examples or 1.0) / UNKNOWN_S)
                made = base if profile is None else self._scaled(base, gpu, self._own_ratios(application, profile))
                self._made[name,] = made
            curves[name] = made
            names[gpu] = name
        most = job.max_gpus
        if self._grow is not None:
            wise = max(job.min_gpus, math.floor(self._grow * most_run(profile)))
            most = wise if most is None else min(most, wise)
        return msgspec.structs.replace(job, curves=names, max_gpus=most)

    def _corrected(
        self, job: LiveJob, profile: Profile, curves: Mapping[str, Curve], into: dict[str, Curve]
    ) -> LiveJob:
        """Return a job whose curves, or whose configurations' throughputs, are corrected by what was observed."""
        assert job.application is not None
        if job.configurations:
            return msgspec.structs.replace(job, configurations=self._listed(job, profile))
        key = (job.application, *(part for pair in job.curves.items() for part in pair))
        own = {gpu: curves[name] for gpu, name in job.curves.items() if name in curves}
        if (ratios := self._made.get(key)) is None:
            ratios = self._made[key] = ratios_to(own, profile.cells)
        names = dict(job.curves)
        for gpu, curve in own.items():
            name = _name(job.curves[gpu], job.application, gpu)
            if (made := self._made.get((*key, gpu))) is None:
                made = self._made[*key, gpu] = self._scaled(curve, gpu, ratios)
            into[name], names[gpu] = made, name
        return msgspec.structs.replace(job, curves=names)

    def _listed(self, job: LiveJob, profile: Profile) -> tuple[Configuration, ...]:
        """Return configurations with corrected throughputs."""
        said = {(c.gpu_type, c.gpus): c.throughput for c in job.configurations}
        ratios = ratios_of(profile.cells, lambda cell: said.get((cell.gpu_type, cell.gpus), float("nan")))
        found = []
        for c in job.configurations:
            factor = float(factors(ratios, c.gpu_type, np.array([float(c.gpus)]))[0])
            found.append(msgspec.structs.replace(c, throughput=c.throughput * factor))
        return tuple(found)

    def _own_ratios(self, application: str, profile: Profile) -> Ratios:
        """Return how observations of an application compare with its own profile."""
        key = ("ratios of", application)
        if (found := self._made.get(key)) is None:
            types = {cell.gpu_type for cell in profile.cells}
            own: dict[str, Curve] = {gpu: fitted(profile, self._profiles, gpu, 1.0) for gpu in types}
            found = self._made[key] = ratios_to(own, profile.cells)
        return dict(found)

    def _scaled(self, base: Curve, gpu_type: str, ratios: Ratios) -> Curve:
        """Return a curve times the factors of what was observed."""
        assert self._cluster is not None
        size = sum(group.count * group.gpus for group in self._cluster.servers if group.gpu_type == gpu_type)
        counts = np.arange(1.0, max(1, min(size, MOST_FACTORS)) + 1)
        scaled = tuple(factors(ratios, gpu_type, counts).tolist())
        if isinstance(base, Corrected) or all(f == 1.0 for f in scaled):
            return base
        return Corrected(base=base, factors=scaled, max_local_batch=base.max_local_batch, spread=base.spread)


def _name(*parts: str) -> str:
    """Return a name of at most 200 characters for a curve that no caller gave."""
    name = " / ".join(parts)
    if len(name) <= 200:
        return name
    import hashlib

    return f"{name[:150]}... {hashlib.sha256(name.encode()).hexdigest()[:16]}"
