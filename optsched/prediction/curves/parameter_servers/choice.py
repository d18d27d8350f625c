"""Fitting all groups: priors from the others, which form, and how far to trust it.

Known groups are cut to their small configurations, fitted with priors from *other models*, and asked
for their large ones. That gives each form an honest score, the mean of all forms, too, and the factor
by which deviations must be widened to hold what they promise. Unless a form is named, the mean of the
forms (in logarithms) is the answer: in mean error over groups it beat the form that cross-validation
picks, and weights by the evidence; and the forms' disagreement tells about extrapolation what a
posterior inside one form cannot know.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray
from optsched.errors import InputError, shown
from optsched.prediction.curves.base import Z80
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.parameter_servers.curve import ParameterServer
from optsched.prediction.curves.parameter_servers.fit import TAIL, Prior, fit_form
from optsched.prediction.curves.parameter_servers.form import FormBase
from optsched.prediction.curves.parameter_servers.forms import ASYNC_FORMS, SYNC_FORMS
from optsched.prediction.curves.parameter_servers.rows import Rows, ServerRows, merged
from optsched.prediction.curves.parameter_servers.transfer import learn_prior

__all__ = ["FittedServers", "fit_servers"]

_FORMS: dict[str, tuple[type[FormBase], ...]] = {"sync": SYNC_FORMS, "async": ASYNC_FORMS}
_SMALL = 0.62  # share of the most workers and servers that counts as small: 5 of 8
_MODEL_FOLDS, _ROW_FOLDS = 3, 5
_BLEND = "blend"

Forms = Sequence[type[FormBase]]


class FittedServers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A curve, and how good it is.

    rows
        Measurements that it was fitted on.
    error, unseen_error
        Mean absolute percentage error of the throughput on the fit's own rows, and on rows held out
        in turn (None for fewer than 5 distinct configurations).
    scores
        For each form, and for the blend: percentage error when extrapolating the other groups from
        their small configurations, median over groups; empty if there are no others to score on.
    chosen, reason
        The form (or ``blend``), and why, in words.
    """

    curve: ParameterServer
    rows: int
    error: float
    unseen_error: float | None
    scores: dict[str, float]
    chosen: str
    reason: str


@dataclass(frozen=True)
class _Trial:
    """How one group was extrapolated: errors by form and blend, and |error| / deviation of the blend."""

    errors: dict[str, float]
    surprises: FloatArray


def fit_servers(
    groups: Mapping[str, ServerRows],
    mode: Literal["sync", "async"],
    form: str | None = None,
    only: Collection[str] | None = None,
) -> dict[str, FittedServers]:
    """Fit a curve to each group's measurements, with priors learned from the others.

    Parameters
    ----------
    groups
        Measurements by ``model/gpu_type`` (or ``model``): what is behind the last slash is the GPU
        type, over which a model's transfers and server work are shared.
    mode
        Whether workers wait for each other at each update.
    form
        Name of one form to use; None: the mean of all forms of the mode.
    only
        The groups to fit, if not all; the others only teach.

    Raises
    ------
    InputError
        For an unknown mode, form or group, or a measurement out of its range, with its place.
    """
    forms = _chosen_forms(mode, form)
    wanted = sorted(groups if only is None else only)
    for key in wanted:
        if key not in groups:
            raise InputError(f"one of the groups {', '.join(sorted(groups)[:12])}", value=shown(key), path="only")
    rates = np.concatenate([[np.nan], *(rows.points.gbps for rows in groups.values())])
    common = float(np.median(rates[np.isfinite(rates)])) if np.isfinite(rates).any() else None
    known = {
        key: merged(key.rpartition("/")[0] or key, groups[key], common, key, per_batch=mode == "async")
        for key in sorted(groups)
    }
    trials = _extrapolate(_FORMS[mode], known)
    fitted = {}
    for key in wanted:
        others = {k: trial for k, trial in trials.items() if k != key}
        priors = [learn_prior(f, [r for k, r in known.items() if k != key], known[key].model) for f in forms]
        measured = np.isfinite(groups[key].points.gbps).any()
        fitted[key] = _fitted(forms, priors, known[key], groups[key], others, common if measured else None)
    return fitted


def _chosen_forms(mode: str, form: str | None) -> tuple[type[FormBase], ...]:
    if mode not in _FORMS:
        raise InputError("'sync' or 'async'", path="mode", value=shown(mode))
    named = {f.name(): f for f in _FORMS[mode]}
    if form is not None and form not in named:
        raise InputError(f"one of {', '.join(map(repr, named))}", path="form", value=shown(form))
    return _FORMS[mode] if form is None else (named[form],)


def _fitted(
    forms: Forms,
    priors: Sequence[Prior],
    rows: Rows,
    measured: ServerRows,
    trials: Mapping[str, _Trial],
    reference_gbps: float | None,
) -> FittedServers:
    """Fit one group and report."""
    inflation = _inflation([t.surprises for t in trials.values()])
    points, rate = measured.points, measured.throughput

    def curve(part: Rows, **more: Any) -> ParameterServer:
        return _curve(forms, part, priors, inflation=inflation, reference_gbps=reference_gbps, **more)

    whole = curve(rows, max_local_batch=int(np.ceil(points.local_batch.max())))
    names = list(next(iter(trials.values())).errors) if trials else []
    scores = {name: float(np.median([t.errors[name] for t in trials.values()])) for name in names}
    chosen = forms[0].name() if len(forms) == 1 else _BLEND
    return FittedServers(
        curve=whole,
        rows=len(rate),
        error=_mape(whole.throughput(points), rate),
        unseen_error=_unseen(curve, rows),
        scores=scores,
        chosen=chosen,
        reason=_reason(chosen, forms, scores, len(trials)),
    )


def _curve(forms: Forms, rows: Rows, priors: Sequence[Prior], **more: Any) -> ParameterServer:
    members = tuple(fit_form(f, rows, p).member() for f, p in zip(forms, priors, strict=True))
    spread = float(np.sqrt(np.mean([p.noise**2 for p in priors]) * TAIL / (TAIL - 2)))
    return ParameterServer(members=members, spread=spread, **more)  # type: ignore[arg-type]


def _reason(chosen: str, forms: Forms, scores: Mapping[str, float], tried: int) -> str:
    if chosen != _BLEND:
        return "named by the caller"
    text = f"mean of {', '.join(f.name() for f in forms)}: steadier than any one of them"
    if not scores:
        return f"{text}; no other groups to score them on"
    single = min((s, name) for name, s in scores.items() if name != _BLEND)
    return (
        f"{text}; extrapolating {tried} other groups the mean missed by {scores[_BLEND]:.1f} % and "
        f"{single[1]}, the best single form, by {single[0]:.1f} % (medians)"
    )


def _mape(predicted: FloatArray, truth: FloatArray) -> float:
    return 100 * float(np.mean(np.abs(predicted / truth - 1)))


def _ask(curve: ParameterServer, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return ln throughput and its deviation at measured rows, in the rows' unit."""
    at = rows.layout
    gbps = at.network * (curve.reference_gbps or np.nan)
    points = Points.of(at.workers, nodes=at.workers, local_batch=at.batch * rows.unit, servers=at.servers, gbps=gbps)
    return np.log(curve.throughput(points) / rows.unit), curve.log_deviation(points)


def _unseen(curve: Any, rows: Rows) -> float | None:
    """Return the cross-validated error over folds of configurations, dealt out in turn."""
    if len(rows) < _ROW_FOLDS:
        return None
    fold = np.random.default_rng(0).permutation(len(rows)) % _ROW_FOLDS
    middle = np.empty(len(rows))
    for k in range(_ROW_FOLDS):
        middle[fold == k] = _ask(curve(rows.take(fold != k)), rows.take(fold == k))[0]
    return _mape(np.exp(middle), np.exp(rows.log_rate))


def _small(rows: Rows) -> NDArray[np.bool_]:
    """Tell which rows are small enough, in workers and in servers, to extrapolate from."""
    workers, servers = rows.layout.workers, rows.layout.servers
    few = (servers <= _SMALL * servers.max()) | (servers <= 2)
    return np.asarray(few & (workers <= _SMALL * workers.max()))


def _extrapolate(forms: Forms, known: Mapping[str, Rows]) -> dict[str, _Trial]:
    """Extrapolate each group from its small rows, with priors from other models' small rows."""
    models = sorted({rows.model for rows in known.values()})
    small = {key: _small(rows) for key, rows in known.items()}
    trials: dict[str, _Trial] = {}
    for fold in range(min(_MODEL_FOLDS, len(models)) if len(models) > 1 else 0):
        tested = set(models[fold::_MODEL_FOLDS])
        taught = [rows.take(small[key]) for key, rows in known.items() if rows.model not in tested and small[key].any()]
        priors = [learn_prior(form, taught) for form in forms]
        for key, rows in known.items():
            if rows.model in tested and 2 <= small[key].sum() < len(rows):
                trials[key] = _trial(forms, priors, rows.take(small[key]), rows.take(~small[key]))
    return trials


def _trial(forms: Forms, priors: Sequence[Prior], small: Rows, large: Rows) -> _Trial:
    """Fit small rows and compare with large ones (all rates relative: the network is as measured or 1 Gbit/s)."""
    blend = _curve(forms, small, priors, reference_gbps=1.0)
    errors = {}
    for form, member in zip(forms, blend.members, strict=True):
        alone = ParameterServer(members=(member,), reference_gbps=1.0)
        errors[form.name()] = _mape(np.exp(_ask(alone, large)[0] - large.log_rate), np.ones(len(large)))
    middle, deviation = _ask(blend, large)
    errors[_BLEND] = _mape(np.exp(middle - large.log_rate), np.ones(len(large)))
    return _Trial(errors, np.abs(large.log_rate - middle) / deviation)


def _inflation(surprises: Sequence[FloatArray]) -> float:
    """Return the 80 % quantile of |error| / deviation over that of a normal; each group counts the same.

    Never below 1: a handful of lucky groups is no reason to promise more than the posterior does.
    """
    if not surprises:
        return 1.0
    values = np.concatenate(surprises)
    weights = np.concatenate([np.full(len(s), 1.0 / len(s)) for s in surprises])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    quantile = values[order][min(int(np.searchsorted(reached, 0.8)), len(values) - 1)]
    return float(np.clip(quantile / Z80, 1.0, 3.0))
