"""Empirical Bayes: what other (model, GPU type) pairs say about a new one.

The log-parameters of pair (i, j) are taken as theta_ij = mu + u_i + v_j + w_ij: a population mean,
an effect of the model, of the GPU type (and the cluster it is in), and of the pair, all Gaussian
(w Student).  Each fitted pair counts as one Gaussian observation of its theta (Laplace).  The
covariances of the effects come from EM, with inverse-Wishart priors that keep them proper when
there are few pairs.  What the corrections of a model's pairs have in common (batch sizes with slow
kernels), and of a GPU type's pairs (placements with slow links), is handed on, too.
Source: Laird & Ware, Biometrics 1982 (EM for random effects); Gelman et al., Bayesian Data
Analysis, 3rd ed., sections 5.4 and 15.1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.allreduce.correction import Kernel, nearness
from optsched.prediction.curves.allreduce.formula import SIZE
from optsched.prediction.curves.allreduce.measured import Measured, thin
from optsched.prediction.curves.allreduce.population import Population, generic_prior, new_type, prior_for
from optsched.prediction.curves.allreduce.posterior import Posterior, Prior, fit

# expected covariance of u, v, w as a part of the generic one, and pairs that would have shown that
EXPECTED = (0.08, 0.05, 0.03)
STRENGTH = (6.0, 6.0, 10.0)
# degrees of freedom of w: some pairs are like no other
FREEDOM = 4.0
# part of the steps of the best known GPU type below which another is as new as one without measurements: it may differ
# by as much, and shows nothing of how far types differ
FRESH = 0.2
# part of a correction's variance that pairs of one model, or of one GPU type, have in common
SHARED = 0.5
# most places of a shared correction, and rows of a pair that the population is learned from
SPOTS = 48
ROWS = 220


def information(posterior: Posterior, prior: Prior) -> tuple[FloatArray, FloatArray]:
    """What the measurements alone say of theta: precision (14, 14), and it times the mean (14,).

    The Laplace posterior less the prior (both Gaussian in theta).
    """
    before = np.linalg.inv(prior.covariance)
    after = np.linalg.inv(posterior.covariance)
    return after - before, after @ posterior.theta - before @ prior.mean


def effects(
    pairs: list[tuple[str, str]],
    told: list[tuple[FloatArray, FloatArray]],
    generic: Prior,
    rounds: int = 25,
    fresh: Collection[str] = (),
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """EM for the effects: mean and covariance of (mu, u, v), and covariances of u, v and w.

    told: ``information`` of each pair; fresh: GPU types that may differ by more than the others show (there
    must be others). Each step integrates w out of its pair, so that a round costs the
    cube of the known names rather than of the pairs, too.
    """
    models, types = sorted({m for m, _ in pairs}), sorted({g for _, g in pairs})
    d, groups = SIZE, 1 + len(models) + len(types)
    own = np.array([[0, 1 + models.index(m), 1 + len(models) + types.index(g)] for m, g in pairs])
    shown, linear = np.array([h for h, _ in told]), np.array([b for _, b in told])
    base = np.linalg.inv(generic.covariance)
    new = np.array([g in fresh for g in types], dtype=bool)
    of_types = np.arange(1 + len(models), groups)
    members, strangers = (np.arange(1, 1 + len(models)), of_types[~new]), of_types[new]
    expected = [part * generic.covariance for part in EXPECTED]
    now = list(expected)
    weight = np.ones(len(pairs))  # Student weights of w
    for _ in range(rounds):
        # w of each pair integrated out: what its rows say of mu + u + v
        apart = np.linalg.inv(now[2]) * weight[:, None, None]
        spread = np.linalg.inv(shown + apart)
        left = apart @ spread
        of_sum, of_linear = left @ shown, (left @ linear[:, :, None])[:, :, 0]
        precision, right = np.zeros((groups, groups, d, d)), np.zeros((groups, d))
        precision[0, 0], right[0] = base, base @ generic.mean
        for which, cov in zip(members, now, strict=False):
            precision[which, which] = np.linalg.inv(cov)
        precision[strangers, strangers] = np.linalg.inv(now[1] + new_type())
        for blocks, h, b in zip(own, of_sum, of_linear, strict=True):
            precision[np.ix_(blocks, blocks)] += h
            right[blocks] += b
        flat = precision.transpose(0, 2, 1, 3).reshape(groups * d, groups * d)
        covariance = np.asarray(np.linalg.inv(flat), dtype=np.float64)
        mean = (covariance @ right.ravel()).reshape(groups, d)
        blocks4 = covariance.reshape(groups, d, groups, d).transpose(0, 2, 1, 3)
        for at, which in enumerate(members):
            seconds = blocks4[which, which] + mean[which][:, :, None] * mean[which][:, None]
            now[at] = (STRENGTH[at] * expected[at] + seconds.sum(0)) / (STRENGTH[at] + len(which))
        # w given the sums, and the sums' own covariance
        sums = mean[own].sum(1)
        covs = np.array([blocks4[np.ix_(blocks, blocks)].sum((0, 1)) for blocks in own])
        lever = spread @ shown
        middle = (spread @ (linear[:, :, None] - shown @ sums[:, :, None]))[:, :, 0]
        seconds = spread + lever @ covs @ lever.transpose(0, 2, 1) + middle[:, :, None] * middle[:, None]
        far = np.trace(np.linalg.solve(now[2], seconds), axis1=1, axis2=2)
        weight = (FREEDOM + d) / (FREEDOM + far)
        now[2] = (STRENGTH[2] * expected[2] + (seconds * weight[:, None, None]).sum(0)) / (STRENGTH[2] + len(pairs))
    return mean.ravel(), covariance, now


@dataclass(frozen=True)
class Summary:
    """What one measured pair says: its posterior, and the prior that this was taken with."""

    pair: tuple[str, str]
    posterior: Posterior
    prior: Prior


def summarize(measured: Mapping[tuple[str, str], Measured], generic: Prior | None = None) -> list[Summary]:
    """Return what each measured pair, keyed by (model, GPU type), says by itself.

    Three times: with the generic prior, then with the population's spread, which linearizes each
    pair nearer to where it belongs.
    """
    generic = generic or generic_prior()
    pairs = sorted(measured)
    data = [thin(measured[p], ROWS) for p in pairs]
    said = [Summary(p, fit(m, generic), generic) for p, m in zip(pairs, data, strict=True)]
    for _ in range(2):
        known = _effects_of(said, generic)
        priors = [wide_prior(known, *p) for p in pairs]
        said = [Summary(p, fit(m, q), q) for p, m, q in zip(pairs, data, priors, strict=True)]
    return said


def wide_prior(population: Population, model: str, gpu_type: str) -> Prior:
    """Return the prior of a pair that the population was learned from.

    Its mean knows the pair's rows already; the whole spread of the population in place of what is
    known of the pair keeps them from counting twice. How unsure the population's mean is counts, too:
    what no pair was measured for, such as more than one node, has shown no spread either.
    """
    mean = population.covariance[:SIZE, :SIZE]
    spread = mean + population.model_covariance + population.gpu_covariance + population.pair_covariance
    return replace(prior_for(population, model, gpu_type), covariance=spread)


def _effects_of(said: list[Summary], generic: Prior) -> Population:
    """Return the population without the shared corrections."""
    pairs = [s.pair for s in said]
    told = [information(s.posterior, s.prior) for s in said]
    mean, cov, (of_model, of_type, of_pair) = effects(pairs, told, generic, fresh=_fresh(said))
    return Population(
        tuple(sorted({m for m, _ in pairs})),
        tuple(sorted({g for _, g in pairs})),
        mean,
        cov,
        of_model,
        of_type,
        of_pair,
        generic.kernel,
        float(np.median([s.posterior.noise for s in said])),
    )


def _fresh(said: list[Summary]) -> set[str]:
    """Return the GPU types of which few steps were measured, besides the best known one."""
    steps: dict[str, int] = {}
    for s in said:
        steps[s.pair[1]] = steps.get(s.pair[1], 0) + int((~s.posterior.alone).sum())
    return {name for name, count in steps.items() if count < FRESH * max(steps.values())}


def prior_of_others(said: list[Summary], pair: tuple[str, str]) -> Prior:
    """Return what the other pairs say of one."""
    others = [s for s in said if s.pair != pair]
    return prior_for(learn(others, only=pair), *pair) if others else generic_prior()


def learn(said: list[Summary], generic: Prior | None = None, only: tuple[str, str] | None = None) -> Population:
    """Return the population of what pairs say; ``only``: with the shared corrections of one pair's names."""
    generic = generic or generic_prior()
    population = _effects_of(said, generic)
    models, types = (population.models, population.gpu_types) if only is None else ((only[0],), (only[1],))
    return replace(
        population,
        batches={
            name: common(generic.kernel, [s for s in said if s.pair[0] == name], "compute")
            for name in population.models
            if name in models
        },
        resources={
            name: common(generic.kernel, [s for s in said if s.pair[1] == name], "sync")
            for name in population.gpu_types
            if name in types
        },
    )


def common(kernel: Kernel, said: list[Summary], part: str) -> tuple[FloatArray, FloatArray]:
    """What the corrections of several pairs have in common: places and weights.

    One part of each pair's correction is taken as common + own, with SHARED of the variance in
    common.  The residuals of all pairs, with theta integrated out, give the posterior mean of the
    common part (Rasmussen & Williams 2006, eq. 2.25), which is put on at most SPOTS places.
    """
    compute = part == "compute"
    fits = [(s.posterior, s.prior) for s in said]
    scale = kernel.batch_range if compute else 1.0
    where = np.concatenate([f.places.batch if compute else f.places.resource for f, _ in fits])
    amplitude = np.concatenate([f.places.compute if compute else f.places.sync for f, _ in fits])
    cross = nearness(scale, where, where) * SHARED * np.outer(amplitude, amplitude)
    residual, start = [], 0
    for f, prior in fits:
        end = start + len(f.residual)
        wide = f.jacobian @ prior.covariance @ f.jacobian.T
        cross[start:end, start:end] = f.root @ f.root.T + wide
        residual.append(f.residual + f.jacobian @ (f.theta - prior.mean))
        start = end
    alpha = np.linalg.solve(cross, np.concatenate(residual)) * amplitude
    used = amplitude > 1e-6
    spots, counts = np.unique(np.round(where[used], 9), axis=0, return_counts=True)
    spots = spots[np.sort(np.argsort(-counts, kind="stable")[:SPOTS])]
    value = SHARED * (kernel.compute_sd if compute else kernel.sync_sd)
    value = value * (nearness(scale, spots, where) @ alpha)
    own = nearness(scale, spots, spots) + 1e-6 * np.eye(len(spots))
    return spots, np.linalg.solve(own, value)
