"""Fitting curves to measurements: one for each (model, GPU type), each with the others as its prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from optsched._util.arrays import FloatArray, IntArray
from optsched.errors import InputError, shown
from optsched.prediction.curves import Curve
from optsched.prediction.curves.allreduce.compress import compress
from optsched.prediction.curves.allreduce.formula import relative_rates
from optsched.prediction.curves.allreduce.measured import Measured, merge, thin
from optsched.prediction.curves.allreduce.network import host_cost
from optsched.prediction.curves.allreduce.population import Population, from_record, generic_prior, prior_for, to_record
from optsched.prediction.curves.allreduce.posterior import Prior
from optsched.prediction.curves.allreduce.posterior import fit as posterior
from optsched.prediction.curves.allreduce.transfer import Summary, learn, prior_of_others, summarize, wide_prior
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fitted import CurveFile, Fitted
from optsched.prediction.curves.measurements import Measurements
from optsched.prediction.curves.monotone import fit_amdahl, fit_monotone
from optsched.prediction.curves.parameter_servers import ServerRows, fit_servers
from optsched.prediction.curves.predict import throughput_at

__all__ = ["FAMILIES", "SERVER_FAMILIES", "fit"]

FAMILIES = ("allreduce", "monotone", "amdahl")
"""The families of all-reduce training that a fit chooses from by cross-validation."""

SERVER_FAMILIES = ("async-mva", "async-capacity", "sync-capacity", "sync-incast", "sync-serial")
"""The families of parameter-server training; a fit that is named none blends those of the rows' mode."""

_FEW = 60
"""Rows below which a pair's prior is learned from the other pairs alone; above, its own rows rule anyway."""

_MOST = 700
"""Most distinct configurations that one fit looks at; more tell little, and cost their cube."""

_FOLDS = 3

Key = tuple[str, str, str]
Report = Callable[[str], None]


@dataclass(frozen=True)
class _Group:
    """The rows of one (model, GPU type, variant).

    rdma
        Whether the network of each row spares its hosts the copying.
    rate
        Effective network rate of each row, relative to the reference network of the group.
    fields
        Fields of its curves that the rows themselves do not fit.
    """

    points: Points
    throughput: FloatArray
    sync_s: FloatArray
    rdma: NDArray[np.bool_]
    rate: FloatArray
    fields: dict[str, float | None]

    def take(self, rows: IntArray) -> _Group:
        arrays = (self.throughput[rows], self.sync_s[rows], self.rdma[rows], self.rate[rows])
        return _Group(self.points.take(rows), *arrays, self.fields)

    def measured(self) -> Measured:
        step = self.points.examples() / self.throughput
        return thin(merge(self.points, step, self.sync_s, self.rate), _MOST)


def fit(
    measurements: Measurements,
    *,
    source: str = "",
    earlier: CurveFile | None = None,
    family: str | None = None,
    cross_validate: bool = True,
    report: Report | None = None,
) -> CurveFile:
    """Fit one curve to the rows of each (model, GPU type, variant).

    Parameters
    ----------
    source
        Where the rows come from, for people.
    earlier
        Curves fitted before: what they taught is the prior of the new ones, and those that are not
        fitted anew are carried over.
    family
        One of ``FAMILIES`` or ``SERVER_FAMILIES``; None: the one that predicts rows held out in turn best.
    cross_validate
        Whether to measure the error on rows held out, where a family is named.
    report
        Called with what is being done, for people who wait.

    Raises
    ------
    InputError
        For an unknown family.
    """
    if family is not None and family not in (*FAMILIES, *SERVER_FAMILIES):
        raise InputError(f"one of {', '.join((*FAMILIES, *SERVER_FAMILIES))}", path="family", value=shown(family))
    # matrices of a few hundred rows: threads of BLAS cost more than they bring, up to ten times on a busy machine
    with threadpool_limits(1):
        return _fit(measurements, source, earlier, family, cross_validate, report or (lambda _: None))


def _fit(
    measurements: Measurements,
    source: str,
    earlier: CurveFile | None,
    family: str | None,
    cross_validate: bool,
    tell: Report,
) -> CurveFile:
    served = measurements.configured.points.servers > 0
    fitted = _with_servers(measurements.take(served), family, tell)
    groups = _groups(measurements.take(~served), tell)
    if groups:
        tell("learning what the measured pairs have in common")
    known = from_record(earlier.population) if earlier is not None and earlier.population is not None else None
    pairs = {_pair(key): group.measured() for key, group in groups.items()} if known is None else {}
    said = summarize(pairs) if pairs else []
    population = learn(said) if known is None and said else known
    for number, (key, group) in enumerate(groups.items()):
        tell(f"fitting {'/'.join(filter(None, key))} ({number + 1} of {len(groups)})")
        assert population is not None
        prior = _prior(population, said, key, group) if known is None else prior_for(known, *_pair(key))
        fitted[key] = _fitted(key, group, prior, family if family in FAMILIES else None, cross_validate)
    for old in earlier.curves if earlier is not None else ():
        fitted.setdefault((old.model, old.gpu_type, old.variant), old)
    learned = None if population is None else to_record(population)
    return CurveFile(source=source, curves=tuple(fitted[key] for key in sorted(fitted)), population=learned)


def _with_servers(measurements: Measurements, family: str | None, tell: Report) -> dict[Key, Fitted]:
    """Fit the pairs with parameter servers, those of each mode with the others of it as their prior."""
    fitted = {}
    by_mode: dict[str, dict[str, tuple[Key, ServerRows]]] = {"sync": {}, "async": {}}
    for key, rows in measurements.configured.groups().items():
        own = ServerRows(measurements.configured.points.take(rows), measurements.throughput[rows])
        by_mode[key[2]][f"{key[0]}/{key[1]}"] = key, own
    for mode, groups in by_mode.items():
        if not groups:
            continue
        tell(f"fitting {len(groups)} pairs with {mode}hronous parameter servers")
        named = family if family in SERVER_FAMILIES and family.startswith(mode) else None
        found = fit_servers({name: own for name, (_, own) in groups.items()}, mode, named)  # type: ignore[arg-type]
        for name, (key, own) in groups.items():
            model, gpu_type, variant = key
            points, one = own.points, found[name]
            fitted[key] = Fitted(
                model=model,
                gpu_type=gpu_type,
                variant=variant,
                curve=one.curve,
                rows=one.rows,
                error=one.error,
                unseen_error=one.unseen_error,
                choice=f"{one.chosen}: {one.reason}",
                max_gpus=int(points.gpus.max()),
                gpus_per_node=1,
                local_batches=(float(points.local_batch.min()), float(points.local_batch.max())),
            )
    return fitted


def _pair(key: Key) -> tuple[str, str]:
    """Return the names that priors are learned under: a variant is a model of its own."""
    model, gpu_type, variant = key
    return f"{model}/{variant}" if variant else model, gpu_type


def _groups(measurements: Measurements, tell: Report) -> dict[Key, _Group]:
    """Split the rows, and find the effective rates of their networks."""
    of = measurements.configured
    groups = {}
    networks: dict[str, dict[Key, Callable[[float], Measured]]] = {}
    for key, chosen in of.groups().items():
        points = of.points.take(chosen)
        ones = np.ones(len(chosen))
        throughput, sync_s = measurements.throughput[chosen], measurements.sync_s[chosen]
        group = _Group(points, throughput, sync_s, of.rdma[chosen], ones, {})
        groups[key] = group
        if np.isnan(points.gbps).any():
            continue
        if len(set(zip(points.gbps.tolist(), group.rdma.tolist(), strict=True))) > 1:
            arch = key[2].partition("/")[0]
            networks.setdefault(arch, {})[key] = partial(_measured_at, group)
        else:
            groups[key] = _at_cost(group, 0.0)
    for arch, curves in networks.items():
        tell(f"finding the effective rate of the networks {arch}".strip())
        cost = host_cost(list(curves.values()), generic_prior())
        for key in curves:
            groups[key] = _at_cost(groups[key], cost)
    return groups


def _measured_at(group: _Group, cost: float) -> Measured:
    return _at_cost(group, cost).measured()


def _at_cost(group: _Group, cost: float) -> _Group:
    """Return a group with the rates of its networks, if each Gbit costs the hosts a number of seconds."""
    gbps, rdma = group.points.gbps, group.rdma
    tcp = gbps[~rdma]
    reference = float(tcp.min() if len(tcp) else gbps.min())
    own = cost if len(tcp) else 0.0
    rate = relative_rates(gbps, np.where(rdma, 0.0, cost), reference, own)
    alone = group.points.nodes <= 1  # uses no network
    fields: dict[str, float | None] = {"reference_gbps": reference, "host_s_per_gbit": own}
    return replace(group, rate=np.where(alone, 1.0, rate), fields=fields)


def _prior(population: Population, said: list[Summary], key: Key, group: _Group) -> Prior:
    """Return what is believed of a pair before its rows: what the others say, so that none counts twice."""
    pair = _pair(key)
    if len(group.throughput) >= _FEW:
        return wide_prior(population, *pair)
    return prior_of_others(said, pair)


def _fit_one(family: str, group: _Group, prior: Prior) -> Curve:
    """Fit one family to a group."""
    limit = int(np.ceil(group.points.local_batch.max()))
    if family == "allreduce":
        return compress(posterior(group.measured(), prior), max_local_batch=limit, **group.fields)
    simple: Mapping[str, Callable[..., Curve]] = {"monotone": fit_monotone, "amdahl": fit_amdahl}
    curve = simple[family](group.points, group.throughput, max_local_batch=limit)
    off = np.log(curve.throughput(group.points) / group.throughput)
    # the spread of a single row says nothing: half of the throughput either way
    spread = float(np.sqrt((np.sum(off**2) + 0.25) / len(off)))
    return simple[family](group.points, group.throughput, max_local_batch=limit, spread=spread)


def _mape(predicted: FloatArray, measured: FloatArray) -> float:
    return 100 * float(np.mean(np.abs(predicted / measured - 1)))


def _fitted(key: Key, group: _Group, prior: Prior, family: str | None, cross_validate: bool) -> Fitted:
    """Fit a group, by the family that is named or that predicts unseen rows best."""
    held_out = [family] if family and cross_validate else () if family else _able(group)
    unseen = {name: _unseen(name, group, prior) for name in held_out}
    scored = {name: error for name, error in unseen.items() if error is not None}
    best = min(scored, key=lambda name: scored[name]) if scored else family or FAMILIES[0]
    curve = _fit_one(best, group, prior)
    model, gpu_type, variant = key
    points = group.points
    error = _mape(throughput_at(curve, points, group.rdma), group.throughput)
    if family:
        choice = "named"
    elif scored:
        choice = "cross-validation: " + ", ".join(f"{name} {error:.1f} %" for name, error in scored.items())
    else:
        choice = f"too few rows to choose by ({len(group.throughput)})"
    return Fitted(
        model=model,
        gpu_type=gpu_type,
        variant=variant,
        curve=curve,
        rows=len(group.throughput),
        error=error,
        unseen_error=scored.get(best),
        choice=choice,
        max_gpus=int(points.gpus.max()),
        gpus_per_node=int(points.crowding().max()),
        local_batches=(float(points.local_batch.min()), float(points.local_batch.max())),
    )


def _able(group: _Group) -> tuple[str, ...]:
    """Return the families that can tell a group's rows apart: but for one, none knows batches and networks."""
    one = len(np.unique(group.points.local_batch)) == 1 and len(np.unique(group.rate)) == 1
    return FAMILIES if one else FAMILIES[:1]


def _unseen(family: str, group: _Group, prior: Prior) -> float | None:
    """Return the error on rows held out in turn; None for too few rows."""
    n = len(group.throughput)
    if n < 2 * _FOLDS:
        return None
    fold = np.random.default_rng(0).permutation(n) % _FOLDS
    predicted = np.empty(n)
    for k in range(_FOLDS):
        test = np.flatnonzero(fold == k)
        curve = _fit_one(family, group.take(np.flatnonzero(fold != k)), prior)
        held = group.take(test)
        predicted[test] = throughput_at(curve, held.points, held.rdma)
    return _mape(predicted, group.throughput)
