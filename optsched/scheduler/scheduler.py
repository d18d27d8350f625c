"""The scheduler: one call a round, from the state of the jobs to what is to be done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from optsched._util.files import convert, parse, read_bytes, write_bytes
from optsched.checker import Memory
from optsched.errors import InputError, shown
from optsched.instance import Cluster, Limit, ObjectiveSpec, Tenant
from optsched.instance.records import Instance
from optsched.problem.configurations import Remembered
from optsched.scheduler.decide import Answer, decided
from optsched.scheduler.difference import plan_of
from optsched.scheduler.inputs import cluster_of, curves_of, jobs_of, number, plain, spec_of
from optsched.scheduler.learning import Learned, state_told
from optsched.scheduler.pose import Question, Settings, Validated, as_held, instance_of
from optsched.scheduler.profiles import refitted
from optsched.scheduler.records import LiveJob, Plan
from optsched.scheduler.saved import Saved
from optsched.scheduler.servers import available, check_servers, goes_on
from optsched.scheduler.state import State, given_up, learned_of, reported
from optsched.scheduler.unchanged import unchanged_plan

if TYPE_CHECKING:
    from optsched.scheduler.admission import Admission

__all__ = ["Scheduler"]


class Scheduler:
    """Plans round after round for a scheduler that starts, stops and moves the jobs itself.

    Parameters
    ----------
    cluster
        A :class:`optsched.Cluster`, its dict, or an instance that has it.
    objective
        A name, a name with parameters (:class:`optsched.ObjectiveSpec`), or a function of
        :class:`optsched.instance.objectives.Rates` that returns the value of each way to run a job, shape ``(n,)``.
    curves
        Throughput curves by name, which jobs refer to: records, their dicts, or a file of fitted curves.
    round_s
        Seconds between two steps.
    horizon_s
        Seconds over which a restart has to pay off, by objectives that take it off the progress; default: ten of the
        longest restarts, at least 900 s and a round. ``flow-time`` has a horizon of its own (its parameters).
    hysteresis
        Part of a job's value that changing what it holds must gain at least; 0: only ties keep what is held.
    grow
        Jobs whose throughput is learnt are offered at most this multiple of the GPUs that their application has run on;
        None: any number.
    gap, time_limit_s
        As of :func:`optsched.solve`, for each step.
    decides, max_moves, tenants, limits
        As of :class:`optsched.Instance`.
    """

    def __init__(
        self,
        cluster: Any,
        objective: str | ObjectiveSpec | Callable[..., Any] = "flow-time",
        curves: Any = None,
        *,
        round_s: float = 60.0,
        horizon_s: float | None = None,
        hysteresis: float = 0.0,
        grow: float | None = 2.0,
        gap: float = 1e-4,
        time_limit_s: float | None = 10.0,
        decides: Literal["counts", "placement", "network"] = "counts",
        max_moves: int | None = None,
        tenants: Iterable[Any] = (),
        limits: Iterable[Any] = (),
    ) -> None:
        self._cluster = cluster_of(cluster)
        if isinstance(cluster, Instance) and curves is None:
            curves = cluster.curves
        self._curves = curves_of(curves)
        for path, value in (("round_s", round_s), ("horizon_s", horizon_s), ("time_limit_s", time_limit_s)):
            if value is not None and not number(value, path) > 0:
                raise InputError("a time > 0 s", path=path, value=shown(value))
        if decides not in ("counts", "placement", "network"):
            raise InputError("counts, placement or network", path="decides", value=shown(decides))
        if max_moves is not None and (isinstance(max_moves, bool) or not max_moves >= 0 or max_moves != int(max_moves)):
            raise InputError("a whole number >= 0", path="max_moves", value=shown(max_moves))
        self._settings = Settings(
            objective=spec_of(objective),
            round_s=float(round_s),
            horizon_s=None if horizon_s is None else float(horizon_s),
            decides=decides,
            max_moves=None if max_moves is None else int(max_moves),
            tenants=convert(plain(tuple(tenants)), tuple[Tenant, ...]),
            limits=convert(plain(tuple(limits)), tuple[Limit, ...]),
        )
        self._hysteresis = number(hysteresis, "hysteresis")
        self._gap = number(gap, "gap")
        self._time_limit_s = None if time_limit_s is None else float(time_limit_s)
        if grow is not None and number(grow, "grow") < 1:
            raise InputError("a number >= 1", path="grow", value=shown(grow))
        self._grow = None if grow is None else float(grow)
        self._learned = Learned(self._grow)
        self._memory, self._remembered = Memory(), Remembered()
        self._valid: Validated = Validated()
        self._state = State()
        self._jobs: list[LiveJob] = []

    @property
    def version(self) -> int:
        """The version of the state that the last plan led to; 0 before the first."""
        return self._state.version

    @property
    def now_s(self) -> float:
        """The time of the last step; 0 before the first."""
        return self._state.now_s

    @property
    def cluster(self) -> Cluster:
        """The cluster, whatever of it has failed."""
        return self._cluster

    def step(
        self,
        *,
        now: float,
        jobs: Iterable[Any],
        cluster: Any = None,
        version: int | None = None,
        done: Iterable[str] | None = None,
        refused: Iterable[str] = (),
        pending: Iterable[str] = (),
        lost: Iterable[str] = (),
        failed: Mapping[str, int | None] | Iterable[str] | None = None,
        draining: Iterable[str] | None = None,
        time_limit_s: float | None = None,
    ) -> Plan:
        """Plan a round.

        Parameters
        ----------
        now
            Seconds on the caller's clock, which never goes back.
        jobs
            All jobs that wait or run: dicts, dataclasses or records with the fields of
            :class:`optsched.scheduler.LiveJob`. What they hold, their arrivals and restarts are remembered where
            they do not say it; a job that is no longer among them has ended.
        cluster
            The cluster, where it has changed.
        version
            That of the plan that ``done``, ``refused`` and ``pending`` speak of; None: the last one.
        done, refused, pending
            Ids of the jobs whose actions of the last plan were carried out, were refused, and are still under way.
            Without ``done``, whatever is neither refused nor pending was carried out; with it, the rest is pending. A
            job whose action is under way keeps what it is about to hold.
        lost
            Jobs that lost what they held, for instance with a server.
        failed
            Servers that are out, or the number of GPUs of each that are (0 or None: all of it); None: as before.
        draining
            Servers that shall take nothing new; None: as before.
        time_limit_s
            Instead of the scheduler's own.

        Raises
        ------
        InputError
            For what is wrong in the arguments, with its path. The scheduler is then as it was before.
        """
        began = time.monotonic()
        now = number(now, "now")
        if now < self._state.now_s:
            expected = f"a time that does not go back; it was {self._state.now_s:g}"
            raise InputError(expected, path="now", value=f"{now:g}")
        if version is not None and version != self._state.version:
            expected = f"{self._state.version}, the version of the last plan"
            raise InputError(expected, path="version", value=shown(version))
        limit = self._time_limit_s if time_limit_s is None else number(time_limit_s, "time_limit_s")
        given = jobs_of(jobs)
        whole = self._cluster if cluster is None else cluster_of(cluster)
        words = None if done is None else frozenset(done), frozenset(refused), frozenset(pending), frozenset(lost)
        state = reported(self._state, *words)
        if failed is not None:
            named = failed if isinstance(failed, Mapping) else dict.fromkeys(failed, 0)
            state = msgspec.structs.replace(state, failed={name: int(gpus or 0) for name, gpus in named.items()})
        if draining is not None:
            state = msgspec.structs.replace(state, draining=tuple(draining))
        check_servers(whole, state.failed, state.draining)
        state, live = learned_of(state, given, now)
        gone = {job.id: "" for job in live if job.holds is not None and not goes_on(whole, job.holds)}
        state, live = given_up(state, live, gone)
        if state.unfitted:
            types = [gpu.id for gpu in whole.gpu_types]
            profiles = refitted(state.profiles, state.unfitted, types)
            state = msgspec.structs.replace(state, profiles=profiles, unfitted=())
        held = [job.holds for job in live if job.holds is not None]
        there = available(whole, state.failed, state.draining, held)
        deadline = None if limit is None else began + limit
        question, answer = self._asked(state, there, live, now, deadline)
        posed = time.monotonic()
        plan, state = plan_of(state, question, answer, live, self._settings.decides)
        read = time.monotonic() - posed + answer.read_s
        self._state, self._cluster, self._jobs = state, whole, live
        build = posed - began - answer.solve_s - answer.read_s
        return msgspec.structs.replace(plan, build_s=max(0.0, build), read_s=read)

    def observe(
        self,
        job: str,
        application: str | None = None,
        configuration: Any = None,
        step_time: Any = None,
        batch: Any = None,
        gradient_noise: Any = None,
    ) -> None:
        """Learn from a job's training.

        Parameters
        ----------
        job
            Its id.
        application
            What it runs; None: as the last step was told.
        configuration
            What it ran in: an allocation, or a dict with ``gpu_type``, ``gpus`` and ``nodes``; None: what it holds.
        step_time, batch
            Seconds of a step, and the examples of that step on all GPUs together.
        gradient_noise
            Its gradient noise scale in examples (McCandlish et al. 2018), which then is that of its ``efficiency``.

        Raises
        ------
        InputError
            For what is no observation.
        """
        self._state = state_told(
            self._state, self._cluster, job, application, configuration, step_time, batch, gradient_noise
        )

    def _asked(
        self, state: State, cluster: Cluster | None, live: list[LiveJob], now: float, deadline: float | None
    ) -> tuple[Question, Answer]:
        """Pose the question and answer it; where pins stand against each other, once more without them."""
        late, curves = frozenset(state.late), self._curves
        if cluster is not None:
            live, curves = self._learned.offered(live, curves, state.profiles, cluster)
        question = instance_of(self._settings, cluster, curves, live, late, now, self._valid)
        answer = self._answered(question, state, deadline)
        if answer.status == "infeasible" and question.fixed:
            note = f"not all pinned jobs can keep what they hold, so that none is pinned now: {answer.reason}"
            question = instance_of(self._settings, cluster, curves, live, late, now, self._valid, pins=False)
            question = replace(question, warnings=(*question.warnings, note))
            answer = self._answered(question, state, deadline)
        if answer.status in ("infeasible", "unknown"):
            note = f"there is no plan, and every job keeps what it holds: {answer.reason or answer.status}"
            question = replace(question, warnings=(*question.warnings, note))
            answer = replace(answer, allocations=as_held(live, curves))
        return question, answer

    def _answered(self, question: Question, state: State, deadline: float | None) -> Answer:
        if question.instance is None or not question.instance.jobs:
            return Answer("optimal", value=0.0, bound=0.0, gap=0.0)
        return decided(
            question.instance, state.prices, self._gap, deadline, self._hysteresis, self._memory, self._remembered
        )

    def admit(self, job: Any, *, jobs: Iterable[Any] | None = None, time_limit_s: float = 10.0) -> Admission:
        """Return what would become of a job if it were submitted now: when it would start, in what, and what helps.

        Nothing changes by it.

        Parameters
        ----------
        job
            As in :meth:`step`.
        jobs
            All others; None: those of the last step, in which its plan is taken to have been carried out.
        """
        from optsched.scheduler.admission import admission

        others = list(map(_unsaid, self._jobs)) if jobs is None else [given.job for given in jobs_of(jobs)]
        try:
            ((new, told),) = jobs_of([job])
        except InputError as error:
            raise InputError(error.expected, path=error.path.replace("$.jobs[0]", "$.job"), value=error.value) from None
        if "arrival_s" not in told:
            new = msgspec.structs.replace(new, arrival_s=self._state.now_s)
        fork = self._fork()
        limit = number(time_limit_s, "time_limit_s")
        return admission(fork.step, others, new, self._state.now_s, self._settings.round_s, limit)

    def what_if(
        self,
        *,
        submit: Iterable[Any] = (),
        cancel: Iterable[str] = (),
        change: Mapping[str, Mapping[str, Any]] | None = None,
        cluster: Any = None,
        failed: Mapping[str, int | None] | Iterable[str] | None = None,
        draining: Iterable[str] | None = None,
        objective: Any = None,
    ) -> Plan:
        """Return the plan that a step would make now if something were different. Nothing changes by it.

        Parameters
        ----------
        submit, cancel
            Jobs that come, and ids of those that go.
        change
            By the id of a job, the fields that are other.
        cluster, failed, draining
            As in :meth:`step`.
        objective
            Another one.
        """
        jobs = {job.id: _unsaid(job) for job in self._jobs}
        for name in (*cancel, *(change or {})):
            if name not in jobs:
                raise InputError("the id of a job of the last step", path="$.change", value=shown(name))
        for name in cancel:
            del jobs[name]
        for name, fields in (change or {}).items():
            raw = {key: value for key, value in msgspec.to_builtins(jobs[name]).items() if value is not None}
            try:
                jobs[name] = convert(raw | plain(fields), LiveJob)
            except InputError as error:
                raise error.within(path=f'$.change["{name}"]') from None
        fork = self._fork()
        if objective is not None:
            fork._settings = replace(self._settings, objective=spec_of(objective))
        more = [given.job for given in jobs_of(submit)]
        return fork.step(
            now=self._state.now_s, jobs=[*jobs.values(), *more], cluster=cluster, failed=failed, draining=draining
        )

    def _fork(self) -> Scheduler:
        """Return a scheduler that knows what this one knows, and of which this one knows nothing."""
        fork = copy(self)
        fork._valid = Validated()
        return fork

    def unchanged(
        self,
        *,
        now: float,
        jobs: Iterable[Any],
        done: Iterable[str] | None = None,
        refused: Iterable[str] = (),
        pending: Iterable[str] = (),
        lost: Iterable[str] = (),
        why: str = "none was asked for",
    ) -> Plan:
        """Return the plan in which every job keeps what it holds; arguments as of :meth:`step`."""
        words = None if done is None else frozenset(done), frozenset(refused), frozenset(pending), frozenset(lost)
        return unchanged_plan(self._state, self._curves, number(now, "now"), jobs, *words, why)

    def dumps(self) -> bytes:
        """Return the settings and all that is remembered as JSON."""
        return msgspec.json.encode(
            Saved(
                format="optsched-scheduler/1",
                cluster=self._cluster,
                curves=self._curves,
                **{name: getattr(self._settings, name) for name in _SETTINGS},
                grow=self._grow,
                gap=self._gap,
                hysteresis=self._hysteresis,
                time_limit_s=self._time_limit_s,
                state=self._state,
            )
        )

    def save(self, path: Path | str) -> None:
        """Write the settings and all that is remembered as JSON, whole or not at all."""
        write_bytes(path, msgspec.json.format(self.dumps(), indent=1) + b"\n")

    @classmethod
    def loads(cls, content: bytes, objective: Callable[..., Any] | None = None, file: str = "") -> Scheduler:
        """Return a scheduler that goes on where a saved one stood.

        Parameters
        ----------
        objective
            The function, where the objective was one, which no file can hold.
        file
            A name for errors.
        """
        saved = parse(content, Saved, file)
        fields = {name: getattr(saved, name) for name in saved.__struct_fields__ if name not in ("format", "state")}
        try:
            made = cls(**fields | ({} if objective is None else {"objective": objective}))
        except InputError as error:
            raise error.within(file=file) from None
        made._state = saved.state
        return made

    @classmethod
    def load(cls, path: Path | str, objective: Callable[..., Any] | None = None) -> Scheduler:
        """Return a scheduler that goes on where one stood that was saved in a file; see :meth:`loads`."""
        return cls.loads(read_bytes(path), objective, str(path))


_SETTINGS = ("objective", "round_s", "horizon_s", "decides", "max_moves", "tenants", "limits")
"""Fields of the settings, which are arguments, too."""


def _unsaid(job: LiveJob) -> LiveJob:
    """Return a job without what a scheduler remembers better once the last plan is carried out."""
    return msgspec.structs.replace(job, holds=None, restarts=0, attained_gpu_s=0.0)
