"""Random small markets, and what scipy's HiGHS makes of them as plain dense programs: an oracle of its own."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from optsched.timeshare import Market, Pairs, market

KILO = 1000.0


def random_market(seed: int, *, pairs: bool = False, kinds: bool = True) -> Market:
    """Return up to six jobs on up to three types: restricted, tied, with gangs, weights and kinds of two."""
    rng = np.random.default_rng(seed)
    jobs, types = rng.integers(1, 7), rng.integers(1, 4)
    rates = np.round(np.exp(rng.normal(0, 0.7, (jobs, types))), 1) + 0.1
    rates[rng.random((jobs, types)) < 0.3] = 0.0
    rates[np.arange(jobs), rng.integers(types, size=jobs)] = 1.0
    many = rng.integers(1, 3, jobs) if kinds else np.ones(jobs)
    gang, weight = rng.choice([1, 2], jobs), rng.choice([1.0, 2.0], jobs)
    made = market(rates, rng.integers(2, 5, types), gang=gang, weight=weight, many=many)
    if not pairs:
        return made
    job, where, both = [], [], []
    for a in range(jobs):
        for b in range(a, jobs):
            for k in range(types):
                if gang[a] == gang[b] and (a != b or many[a] > 1) and rates[a, k] * rates[b, k] > 0:
                    slow = rng.uniform(0.4, 0.9, 2)
                    job.append((a, b))
                    where.append(k)
                    both.append((rates[a, k] * slow[0], rates[b, k] * slow[1]))
    if not job:
        return made
    return market(
        rates,
        made.capacity,
        gang=gang,
        weight=weight,
        many=many,
        pairs=Pairs(np.array(job), np.array(where), np.array(both)),
    )


class Dense:
    """The constraints of a market as a dense program over the times of its ways, written down anew."""

    def __init__(self, of: Market) -> None:
        self.of = of
        ways = [
            (k, ((j, of.throughput[j, k]),)) for j in range(of.jobs) for k in range(of.types) if of.throughput[j, k] > 0
        ]
        if of.pairs is not None:
            two = of.pairs
            ways += [
                (int(two.gpu_type[n]), tuple(zip(two.job[n].tolist(), two.throughput[n].tolist(), strict=True)))
                for n in range(len(two))
            ]
        self.rate, self.use = np.zeros((of.jobs, len(ways))), np.zeros((of.types, len(ways)))
        self.busy = np.zeros((of.jobs, len(ways)))
        for w, (k, jobs) in enumerate(ways):
            self.use[k, w] = of.gang[jobs[0][0]]
            for j, rate in jobs:
                self.rate[j, w] += rate / of.many[j]
                self.busy[j, w] += 1.0 / of.many[j]

    def best(self, value: np.ndarray, least: np.ndarray) -> tuple[float, np.ndarray] | None:
        """Maximize a value of the rates, each at least so much; None if that is infeasible."""
        return self.solve(value @ self.rate, least)

    def solve(self, value: np.ndarray, least: np.ndarray) -> tuple[float, np.ndarray] | None:
        """The same for a value of the times."""
        found = linprog(
            -value,
            A_ub=np.vstack([self.busy, self.use, -self.rate]),
            b_ub=np.concatenate([np.ones(self.of.jobs), self.of.capacity, -least]),
        )
        return (-found.fun, self.rate @ found.x) if found.status == 0 else None

    def level(self, slope: np.ndarray, base: np.ndarray | None = None) -> float:
        """Return the largest z with rates at least ``base + slope z``."""
        value = np.append(np.zeros(self.rate.shape[1]), 1.0)
        limits = np.vstack([self.busy, self.use])
        rows = np.vstack([np.column_stack([limits, np.zeros(len(limits))]), np.column_stack([-self.rate, slope])])
        right = np.concatenate([np.ones(self.of.jobs), self.of.capacity, -base if base is not None else 0 * slope])
        found = linprog(-value, A_ub=rows, b_ub=right, bounds=[(0, None)] * self.rate.shape[1] + [(None, None)])
        assert found.status == 0
        return -float(found.fun)

    def filled(self, unit: np.ndarray) -> np.ndarray:
        """Return the lexicographic max-min rates: one program a level, and one a job to see whether it can rise."""
        stays = np.zeros(self.of.jobs, dtype=bool)
        rate = np.zeros(self.of.jobs)
        while not stays.all():
            slack = 1 - 1e-10
            z = self.level(np.where(stays, 0.0, unit), np.where(stays, rate, 0.0) * slack)
            rate = np.where(stays, rate, unit * z)
            for j in np.flatnonzero(~stays):
                most = self.best(np.eye(self.of.jobs)[j], rate * slack)
                assert most is not None
                stays[j] = most[0] < rate[j] * (1 + 1e-6)
        return rate
