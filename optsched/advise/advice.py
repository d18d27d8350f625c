"""From curves, offers and work to advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.advise.candidates import Candidates, enumerate_offers, read_among
from optsched.advise.choose import choose
from optsched.advise.evaluate import Evaluated, evaluate
from optsched.advise.handover import with_catalogue
from optsched.advise.known import Known, known_on
from optsched.advise.limits import levers_of, limits_of
from optsched.advise.memory import Footprint, refuse_what_does_not_fit
from optsched.advise.nearest import Facts
from optsched.advise.offers import Offer, of_curves, of_types
from optsched.advise.records import Advice, Option, Suggested
from optsched.advise.units import duration
from optsched.advise.work import Work
from optsched.errors import InputError
from optsched.prediction.curves import AllReduce
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.columns import same_type
from optsched.prediction.curves.experiment_design import measure_next
from optsched.prediction.curves.fitted import CurveFile

__all__ = ["advise"]

_MEASURABLE = 300
"""Most candidates among which those to measure are chosen."""


def advise(
    curves: CurveFile,
    model: str,
    *,
    work: Work | None = None,
    offers: Sequence[Offer] = (),
    among: Path | str | None = None,
    gpu_types: Sequence[str] = (),
    deadline_s: float | None = None,
    budget: float | None = None,
    global_batches: Sequence[int] = (),
    max_gpus: int | None = None,
    gpus: Sequence[int] = (),
    facts: Facts | None = None,
    footprint: Footprint | None = None,
) -> Advice:
    """Return which configuration to train a model in, the alternatives that are not dominated, and why.

    Parameters
    ----------
    curves
        Fitted curves. A model without one is advised by the nearest model, which is said.
    work
        What is to be done; None: times and costs are for a million examples.
    offers
        What GPUs can be had; none: as many of each type as were measured.
    among
        Table whose rows are ranked in place of the offers' configurations.
    gpu_types
        GPU types to use; none: all.
    deadline_s, budget
        Most seconds, and most money.
    global_batches
        Examples per step to choose from; none: any.
    max_gpus, gpus
        Most GPUs of a configuration, or the numbers to choose from.
    facts
        Parameters and FLOPs of a model without curves.
    footprint
        What the model takes of a GPU's memory; None: what was measured fits.

    Raises
    ------
    InputError
        Where nothing is known of the model, or no configuration can run.
    """
    job = work or Work()
    had = tuple(offers)
    had = had or _named(curves, gpu_types)
    curves, sources, moved = with_catalogue(curves, model, [offer.gpu_type for offer in had] or gpu_types)
    if among is not None:
        table = read_among(among, model, had, gpu_types)
        known = known_on(curves, model, table.gpu_types, table.variant[0], facts)
        everything = table
    else:
        had = of_types(had or of_curves(curves, model), gpu_types)
        known = known_on(curves, model, [offer.gpu_type for offer in had], facts=facts)
        accumulate = job.convergence is not None
        everything = enumerate_offers(had, known, global_batches, max_gpus, gpus, accumulate)
    known = {name: replace(of, extra=float(np.hypot(of.extra, moved.get(name, 0.0)))) for name, of in known.items()}
    candidates, left_out = refuse_what_does_not_fit(everything, footprint)
    evaluated = evaluate(candidates, known, job, deadline_s, budget)
    if budget is not None and not np.isfinite(evaluated.hourly_price).any():
        raise InputError("--prices or a --cluster with prices, without which a budget means nothing", path="--budget")
    usable = np.isfinite(evaluated.time_s)
    if not usable.any():
        raise InputError(
            "a configuration of which the curves tell", path="--among" if among else "--model", value=repr(model)
        )
    choice = choose(evaluated, candidates.points.gpus, deadline_s, budget)
    limited = deadline_s is not None or budget is not None
    options = {row: _option(model, candidates, evaluated, row, limited) for row in {*choice.front.tolist(), choice.row}}
    best = options[choice.row]
    of, point = known.get(best.gpu_type), candidates.points.take(np.array([choice.row]))
    unknown = [name for name in dict.fromkeys(o.gpu_type for o in had) if name not in known]
    return Advice(
        model=model,
        work=_work(job),
        deadline_s=deadline_s,
        budget=budget,
        candidates=int(usable.sum()),
        recommended=best,
        reason=f"{best.where()}: {choice.reason}",
        front=tuple(options[row] for row in choice.front.tolist()),
        limits=() if of is None else limits_of(of, point, job),
        levers=() if of is None else levers_of(of, point, job, known, best.gpu_type),
        measure=_measure(candidates, best.gpu_type, of),
        left_out=(*left_out, *(f"{name}: no curve tells of {model} there" for name in unknown)),
        notes=(*sources, *_notes(job, known, best)),
    )


def _option(model: str, candidates: Candidates, evaluated: Evaluated, row: int, limited: bool) -> Option:
    """Return one row as a record."""
    points = candidates.points
    offer = candidates.offers[candidates.offer[row]] if candidates.offer[row] >= 0 else None
    gpus, rate, spread = int(points.gpus[row]), float(evaluated.throughput[row]), float(evaluated.rate_deviation[row])
    time, cost, hourly = (float(column[row]) for column in (evaluated.time_s, evaluated.cost, evaluated.hourly_price))
    most = float(points.max_per_node[row])
    return Option(
        model=model,
        gpu_type=candidates.gpu_types[row],
        offer="" if offer is None or offer.name == offer.gpu_type else offer.name,
        gpus=gpus,
        nodes=int(points.nodes[row]),
        local_batch=_finite(points.local_batch[row]),
        accumulation=int(points.accumulation[row]),
        global_batch=_finite(points.examples()[row]),
        servers=int(points.servers[row]),
        max_per_node=int(most) if np.isfinite(most) else None,
        gbps=_finite(points.gbps[row]),
        throughput_examples_s=rate,
        throughput_low=rate * float(np.exp(-Z80 * spread)),
        throughput_high=rate * float(np.exp(Z80 * spread)),
        efficiency=float(evaluated.efficiency[row]),
        time_s=time,
        time_low_s=float(evaluated.time_low[row]),
        time_high_s=float(evaluated.time_high[row]),
        gpu_hours=gpus * time / 3600,
        hourly_price=hourly if np.isfinite(hourly) else None,
        cost=cost if np.isfinite(cost) else None,
        risk=round(float(evaluated.risk[row]), 6) if limited else None,
        measured=bool(np.isfinite(candidates.measured[row])),
        line=candidates.line[row] if candidates.line else None,
        row=candidates.cells[row] if candidates.cells else {},
    )


def _finite(number: float | FloatArray) -> float | None:
    value = float(number)
    return value if np.isfinite(value) else None


def _work(job: Work) -> str:
    if job.target is not None:
        return f"metric {job.target:g}"
    return f"{job.count:g} examples"


def _measure(candidates: Candidates, gpu_type: str, of: Known | None) -> tuple[Suggested, ...]:
    """Return the two candidates of a GPU type whose measurement narrows the predictions of all of them the most.

    None for curves that do not say how sure they are.
    """
    rows = np.flatnonzero(np.array(candidates.gpu_types) == gpu_type)
    if of is None or not isinstance(of.curve, AllReduce) or of.curve.belief is None:
        return ()
    points = candidates.points.take(rows[np.unique(np.rint(np.linspace(0, len(rows) - 1, _MEASURABLE)).astype(int))])
    chosen, variance = measure_next(of.curve, points, 2)
    return tuple(
        Suggested(
            gpu_type=gpu_type,
            nodes=int(points.nodes[k]),
            gpus=int(points.gpus[k]),
            local_batch=float(points.local_batch[k]),
            spread_after=round(float(np.sqrt(np.exp(left))), 4),
        )
        for k, left in zip(chosen, variance[1:].tolist(), strict=True)
    )


def _named(curves: CurveFile, gpu_types: Sequence[str]) -> tuple[Offer, ...]:
    """Return a server of eight GPUs of each type that is named and that no curve is on; none where all are known."""
    there = {same_type(fitted.gpu_type) for fitted in curves.curves}
    if not gpu_types or any(same_type(name) in there for name in gpu_types):
        return ()
    return tuple(Offer(name, name, np.array([8], dtype=np.int64)) for name in dict.fromkeys(gpu_types))


def _notes(job: Work, known: dict[str, Known], best: Option) -> tuple[str, ...]:
    notes = []
    if not job.known:
        notes.append(f"the work is not named (--examples or --target): times and costs are for {job.count:g} examples")
    if job.convergence is None:
        notes.append("without --convergence every example counts alike, whatever the batch")
    notes += [of.source for of in known.values() if of.source]
    of = known.get(best.gpu_type)
    if of is not None and of.max_gpus and best.gpus > of.max_gpus:
        notes.append(f"{best.gpus} GPUs are more than the {of.max_gpus} of {best.gpu_type} that were measured")
    wide = best.time_high_s / best.time_low_s
    if wide > 2:
        notes.append(
            f"the time lies between {duration(best.time_low_s)} and {duration(best.time_high_s)} with a chance of 80 %"
        )
    return tuple(notes)
