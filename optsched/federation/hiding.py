"""What a member gains by hiding capacity or jobs: a probe of some ways, and no claim that there are no others.

A member that reports less gets the rule's payment in the federation that it reports, and has on its own what the hidden
part achieves alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec.structs import replace

from optsched.errors import InputError, shown
from optsched.federation.coalitions import Coalitions, federation_of
from optsched.federation.core import Verdict
from optsched.federation.pooling import federate
from optsched.instance import Instance

__all__ = ["Hidden", "probe"]


@dataclass(frozen=True)
class Hidden:
    """One way to hide, and what comes of it.

    what
        ``servers``, ``jobs``, or ``servers and jobs``.
    honest, reported, alone
        The payment for reporting all, that for reporting the rest, and what the hidden part achieves alone.
    gain
        Of hiding: reported + alone - honest.
    verdict
        Whether hiding pays: for sure, not, or within the gaps of the values.
    """

    member: str
    what: str
    honest: float
    reported: float
    alone: float
    gain: float
    verdict: Verdict


def probe(
    instance: Instance,
    member: str,
    rule: str = "shapley",
    *,
    part: float = 0.5,
    gap: float = 1e-4,
    time_limit: float | None = None,
) -> tuple[Hidden, ...]:
    """Try to hide a part of a member's servers, of its jobs, and of both.

    Parameters
    ----------
    part
        Of each group of servers, and of the jobs in their order, rounded up; 0 to 1.
    """
    whole = federation_of(instance)
    if member not in whole.members:
        raise InputError(f"a member ({', '.join(whole.members[:8])})", path="member", value=shown(member))
    if not 0 < part <= 1:
        raise InputError("a part above 0 and at most 1", path="part", value=f"{part:g}")
    number = whole.members.index(member)
    honest = _paid(whole.instance, member, rule, gap, time_limit)
    found = []
    for what in ("servers", "jobs", "servers and jobs"):
        shown_part, hidden_part = _split(whole.instance, whole.site_owner, whole.job_owner, number, what, part)
        if shown_part is None:
            continue
        reported = _paid(shown_part, member, rule, gap, time_limit)
        own = Fraction(0), Fraction(0)
        if hidden_part is not None:
            federation = federation_of(hidden_part)
            mask = 1 << federation.members.index(member) if member in federation.members else 0
            value = Coalitions(federation, gap=gap, time_limit=time_limit).value(mask)
            own = Fraction(value.low), Fraction(value.high)
        least = reported[0] + own[0] - honest[2]
        most = reported[2] + own[1] - honest[0]
        slack = Fraction(1, 10**6) * max(Fraction(1), abs(honest[1]))
        holds = "yes" if least > slack else "no" if most <= slack else "depends"
        gain = float(reported[1] + own[0] - honest[1])
        verdict = Verdict(holds, why=f"hiding gains {float(least):.6g} to {float(most):.6g}")  # type: ignore[arg-type]
        found.append(Hidden(member, what, float(honest[1]), float(reported[1]), float(own[0]), gain, verdict))
    return tuple(found)


def _paid(
    instance: Instance, member: str, rule: str, gap: float, time_limit: float | None
) -> tuple[Fraction, Fraction, Fraction]:
    """Return the least, the named and the greatest payment of a member over the gaps; 0 where it is no member."""
    outlook = federate(instance, [rule], gap=gap, time_limit=time_limit)
    if rule in outlook.undefined:
        raise InputError(f"a rule with payments: {outlook.undefined[rule]}", path="rule", value=rule)
    if member not in outlook.game.members:
        return Fraction(0), Fraction(0), Fraction(0)
    number = outlook.game.members.index(member)
    payments = outlook.settlements[rule].payments
    amount = payments.amounts[number]
    low, high = (amount, amount) if payments.ranges is None else payments.ranges[number]
    return low, amount, high


def _split(
    instance: Instance, site_owner: dict[str, int], job_owner: Sequence[int], member: int, what: str, part: float
) -> tuple[Instance | None, Instance | None]:
    """Return what is reported, and the hidden part if it could achieve anything; None where nothing can be hidden."""
    servers_too, jobs_too = "servers" in what, "jobs" in what
    seen, hidden = [], []
    for group in instance.cluster.servers:
        away = -int(-group.count * part // 1) if servers_too and site_owner[group.site] == member else 0
        if away < group.count:
            seen.append(replace(group, count=group.count - away))
        if away:
            hidden.append(replace(group, count=away))
    own = [j for j, owner in enumerate(job_owner) if owner == member]
    away_jobs = set(own[: -int(-len(own) * part // 1)]) if jobs_too else set()
    jobs = tuple(job for j, job in enumerate(instance.jobs) if j not in away_jobs)
    if (servers_too and not hidden) or (jobs_too and not away_jobs) or not any(group.gpus for group in seen):
        return None, None
    cluster = instance.cluster
    reported = replace(instance, cluster=replace(cluster, servers=tuple(seen)), jobs=jobs)
    if not (servers_too and jobs_too and any(group.gpus for group in hidden)):
        return reported, None
    rest = tuple(instance.jobs[j] for j in sorted(away_jobs))
    return reported, replace(instance, cluster=replace(cluster, servers=tuple(hidden)), jobs=rest)
