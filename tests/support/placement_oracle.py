"""Brute force over plans with places and network rates: every way, every server, and the best rates of each.

``placement_options.py`` lists the ways and places, ``rates_oracle.py`` finds the best rates.
"""

from __future__ import annotations

import itertools
import math

from optsched.instance import Instance
from optsched.instance.solution import Allocation
from tests.support.placement_options import Option, able, options_of, servers_of, sides
from tests.support.rates_oracle import Rated, best_rates

__all__ = ["Search", "best_placed"]


class Search:
    """Depth first through the jobs, the best options first; branches that cannot beat the best plan are left out."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.goal = instance, instance.objective.name
        self.servers = servers_of(instance)
        links = sides(instance, self.servers)
        groups = [s.group for s in self.servers]
        self.free = [
            [float(g.gpus), *(math.inf if x is None else x for x in (g.cpu_cores, g.memory_gb))] for g in groups
        ]
        self.rest = [g.network_gbps or math.inf for g in groups] + [capacity for capacity, _ in links]
        self.touched = [0] * len(groups)
        self.options: list[list[tuple[float, Option]]] = []
        for job in instance.jobs:
            found = [(float(o.value(o.most, self.goal)), o) for o in options_of(instance, self.servers, links, job)]
            self.options.append(sorted(found, key=lambda pair: -pair[0]))
        self.counts = {
            job.id: self.goal != "max-min" or (job.weight > 0 and able(instance, job)) for job in instance.jobs
        }
        self.counted = list(self.counts.values())
        self.best, self.plan = -math.inf, None
        self.known: dict[object, tuple[float, tuple[float, ...]]] = {}

    def run(self) -> tuple[float, list[Allocation]] | None:
        self.go([], [], 0)
        if self.plan is None:
            return None
        chosen, rates = self.plan
        return self.best, [o.allocation(gbps) for o, gbps in zip(chosen, rates, strict=True)]

    def together(self, values: list[float]) -> float:
        """Return the objective of values of the counted jobs."""
        return sum(values) if self.goal != "max-min" else min(values, default=0.0)

    def go(self, chosen: list[Option], values: list[float], moves: int) -> None:
        number = len(chosen)
        later = [self.options[k][0][0] if self.options[k] else 0.0 for k in range(number + 1, len(self.options))]
        later = [value for value, counts in zip(later, self.counted[number + 1 :], strict=True) if counts]
        so_far = [value for value, counts in zip(values, self.counted, strict=False) if counts]
        if number == len(self.options):
            return self.leaf([o for o in chosen if o is not None])
        job = self.instance.jobs[number]
        ways = [*self.options[number], *([] if job.required else [(0.0, None)])]
        for value, option in ways:
            here = [value] if self.counted[number] else []
            reach = self.together([*so_far, *here, *later])
            if self.plan is not None and reach <= self.best + 1e-11 * abs(self.best):
                break  # the options are sorted
            moved = moves + (job.holds is not None and not (option is not None and option.kept))
            if self.instance.max_moves is not None and moved > self.instance.max_moves:
                continue
            if option is None:
                self.go([*chosen, None], [*values, 0.0], moved)
            elif self.ordered(option) and self.take(option, 1):
                if not self.hopeless([o for o in [*chosen, option] if o is not None], later):
                    self.go([*chosen, option], [*values, value], moved)
                self.take(option, -1)
        return None

    def ordered(self, option: Option) -> bool:
        """Tell whether an option uses equal servers that nobody uses yet from the first on."""
        uses = {k: (w, option.server_placement.get(self.servers[k].name, 0)) for k, w, _, _ in option.uses}
        last: dict[object, tuple[float, int]] = {}
        for k, server in enumerate(self.servers):
            if not self.touched[k]:
                mine = uses.get(k, (0.0, 0))
                if server.symmetry in last and mine > last[server.symmetry]:
                    return False
                last[server.symmetry] = mine
        return True

    def take(self, option: Option, sign: int) -> bool:
        """Take or give back what an option uses at its least rate; take nothing where that is not there."""
        if sign > 0:
            fits = all(
                amount <= there + 1e-9
                for k, *amounts in option.uses
                for amount, there in zip(amounts, self.free[k], strict=True)
            )
            sends = zip(option.sends, self.rest, strict=True)
            if not fits or any(part * option.least > rest * (1 + 1e-12) + 1e-12 for part, rest in sends if part):
                return False
        for k, *amounts in option.uses:
            self.touched[k] += sign
            for number, amount in enumerate(amounts):
                self.free[k][number] -= sign * amount
        for number, part in enumerate(option.sends):
            self.rest[number] -= sign * part * option.least
        return True

    def solved(self, chosen: list[Option], others: list[Option]) -> tuple[float, dict[str, float]]:
        """Return the best value, and the rates of it, of some chosen jobs, while others send their least.

        Jobs that nobody has decided on yet, or that do not run, count for nothing here.
        """
        fixed = [float(o.value(o.least, self.goal)) for o in chosen if o.fixed and self.counts[o.job.id]]
        rated = [o for o in chosen if not o.fixed]
        rows: dict[tuple[float, ...], float] = {}
        for k, rest in enumerate(self.rest):
            parts = tuple(o.sends[k] for o in rated)
            if any(parts):
                # what is taken of the rest includes their own least rates
                limit = round(rest + sum(part * o.least for part, o in zip(parts, rated, strict=True)), 12)
                rows[parts] = min(rows.get(parts, math.inf), limit)
        least = self.goal == "max-min"
        key = (
            tuple((o.job.id, o.number, o.kept, o.least) for o in rated),
            frozenset(rows.items()),
            tuple(fixed) if least else (),
        )
        if key not in self.known:
            variables = [
                Rated(o.least, o.most, (lambda b, o=o: o.value(b, self.goal)) if self.counts[o.job.id] else None)
                for o in rated
            ]
            self.known[key] = best_rates(variables, list(rows.items()), least, fixed if least else [])
        value, rates = self.known[key]
        given = dict(zip((o.job.id for o in rated), rates, strict=True))
        return value if least else value + sum(fixed), {
            o.job.id: given.get(o.job.id, o.least) for o in [*chosen, *others]
        }

    def hopeless(self, chosen: list[Option], later: list[float]) -> bool:
        """Tell whether any two of the jobs that choose their rates keep a choice from beating the best plan."""
        rated = [o for o in chosen if not o.fixed]
        rest = [float(o.value(o.most, self.goal)) for o in chosen if o.fixed and self.counts[o.job.id]]
        for pair in itertools.combinations(rated, 2) if self.plan is not None else ():
            others = [o for o in rated if o not in pair]
            more = [float(o.value(o.most, self.goal)) for o in others if self.counts[o.job.id]]
            value, _ = self.solved(list(pair), others)
            if self.together([value, *more, *rest, *later]) <= self.best + 1e-11 * abs(self.best):
                return True
        return False

    def leaf(self, chosen: list[Option]) -> None:
        """Find the best rates of a complete choice, and keep it if it is the best so far."""
        value, rates = self.solved(chosen, [])
        running = {o.job.id for o in chosen}
        idle = any(counts and name not in running for name, counts in self.counts.items())
        if self.goal == "max-min" and (idle or not any(self.counts.values())):
            value = 0.0
        if self.plan is None or value > self.best:
            self.best, self.plan = value, (chosen, [rates[o.job.id] for o in chosen])


def best_placed(instance: Instance) -> tuple[float, list[Allocation]] | None:
    """Return the best objective of an instance that decides on places or rates, and a plan of it; None where none is.

    For progress, throughput and max-min. The rates are best within a relative 1e-8 or so of the objective.
    """
    return Search(instance).run()
