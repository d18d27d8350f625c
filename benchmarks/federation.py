"""Federations: agreement with another program, gains and payments on real curves, and what each rule costs.

python benchmarks/federation.py oracle [--games 1000]     random games against coopgame, intervals against draws
python benchmarks/federation.py sites [--philly CSV]      3 to 8 sites of different GPU types; virtual clusters
python benchmarks/federation.py owen                      100 sites and 100,000 jobs
python benchmarks/federation.py example                   instances/federation-3.json and docs/federation.svg
"""

from __future__ import annotations

import argparse
import random
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from optsched import save
from optsched._util.files import decode, write_bytes
from optsched.federation import core_exists, federate, in_core, kohlberg, least_core, nucleolus, shapley
from optsched.federation.coalitions import federation_of
from optsched.federation.game import Game, names_of
from optsched.federation.owen import owen
from optsched.federation.report import Outlook
from optsched.instance import Instance
from optsched.instance.generators.federation import generate_federation
from optsched.prediction.curves.fitted import CurveFile

ROOT = Path(__file__).resolve().parents[1]
TYPES = ("t4", "rtx2080ti", "a100", "v100")
RULES = ("shapley", "nucleolus", "least-core", "owen", "surplus-split", "kalai-smorodinsky", "vcg", "proportional")


def curves() -> CurveFile:
    """Return the fitted curves of the library."""
    return decode((ROOT / "instances" / "curves.json").read_bytes(), CurveFile)


def drawn_values(rng: random.Random, n: int) -> list[Fraction]:
    """Return values of all coalitions, of which some games have a core and some have none."""
    values = [Fraction(0), *(Fraction(rng.randint(0, 40), rng.choice((1, 2, 3))) for _ in range(2**n - 1))]
    values[-1] = sum(values[1 << i] for i in range(n)) + rng.randint(0, 30 * n)
    return values


def oracle(games: int) -> None:
    """Compare random games with coopgame, and verdicts over intervals with values that are drawn from them."""
    import coopgame

    rng = random.Random(0)
    differ, contradicted, cores, seconds = 0, 0, 0, {"ours": 0.0, "coopgame": 0.0}
    for _ in range(games):
        n = rng.randint(2, 8)
        values = drawn_values(rng, n)
        began = time.perf_counter()
        mine, level = nucleolus(values).payments, least_core(values).levels[0].excess
        seconds["ours"] += time.perf_counter() - began
        began = time.perf_counter()
        theirs = coopgame.nucleolus_exact(values[1:], "imputation", "binary")
        before = coopgame.nucleolus_exact(values[1:], "preimputation", "binary")
        seconds["coopgame"] += time.perf_counter() - began
        floats = coopgame.Game([float(v) for v in values[1:]])
        core = level <= 0
        cores += core
        game = Game(tuple("abcdefgh"[:n]), tuple(values), tuple(values))
        same = list(mine) == theirs["allocation"] and kohlberg(values, mine)
        same &= max(map(abs, np.subtract([float(x) for x in shapley(values)], coopgame.shapley(floats)))) < 1e-9
        excess = max(v - sum(x for i, x in enumerate(before["allocation"]) if m >> i & 1) for m, v in pairs(values))
        same &= level == excess and (core_exists(game).holds == "yes") == core
        differ += not same
        contradicted += contradictions(rng, values)
    print(f"{games} games of 2 to 8 members, {cores} with a core: {differ} differ from coopgame")
    print(f"verdicts over intervals that drawn values contradict: {contradicted}")
    print({who: f"{spent:.1f} s" for who, spent in seconds.items()})


def pairs(values: list[Fraction]) -> list[tuple[int, Fraction]]:
    """Return the proper coalitions and their values."""
    return list(enumerate(values))[1:-1]


def contradictions(rng: random.Random, low: list[Fraction]) -> int:
    """Count drawn values that contradict a verdict over intervals."""
    n = len(low).bit_length() - 1
    high = [v + (rng.randint(0, 8) if m and rng.random() < 0.4 else 0) for m, v in enumerate(low)]
    names = tuple("abcdefgh"[:n])
    game = Game(names, tuple(low), tuple(high))
    payments = shapley(low)
    verdicts = in_core(game, payments), core_exists(game)
    wrong = 0
    for _ in range(5):
        values = tuple(a + (b - a) * Fraction(rng.randint(0, 4), 4) for a, b in zip(low, high, strict=True))
        one = Game(names, values, values)
        truth = in_core(one, payments), core_exists(one)
        wrong += sum(v.holds not in ("depends", t.holds) for v, t in zip(verdicts, truth, strict=True))
    return wrong


def sites(philly: Path | None) -> None:
    """Print gains, payments, verdicts and costs of federations of 3 to 8 sites."""
    file = curves()
    for n in (3, 4, 6, 8):
        shares = {f"site-{k}": {TYPES[k % 4]: 16} for k in range(n)}
        report(f"{n} sites", generate_federation(file, shares, 5 * n, seed=n))
    if philly:
        for n in (4, 8):
            report(f"{n} virtual clusters", virtual_clusters(file, n, philly))


def virtual_clusters(file: CurveFile, members: int, trace: Path) -> Instance:
    """Return the virtual clusters of the trace with most jobs as members, with what was running at a busy moment.

    Each gets GPUs of one type, as many as its jobs ask for on average over the trace; the jobs train models whose
    curves were fitted, since the trace does not name its own.
    """
    import polars as pl

    table = pl.read_csv(trace).with_columns(pl.col("submitted").str.to_datetime().dt.epoch("s").cast(pl.Float64))
    names = table.group_by("virtual_cluster").len().sort("len", descending=True)["virtual_cluster"].to_list()[:members]
    table = table.filter(pl.col("virtual_cluster").is_in(names), pl.col("duration_s") > 0)
    span = float(table["submitted"].max() - table["submitted"].min())
    moment = float(table["submitted"].quantile(0.5))
    running = table.filter(pl.col("submitted") <= moment, pl.col("submitted") + pl.col("duration_s") > moment)
    running = running.group_by("virtual_cluster").head(12)
    demand = {
        name: float((part["gpus"] * part["duration_s"]).sum()) / span
        for (name,), part in table.group_by("virtual_cluster")
    }
    shares = {name: {TYPES[k % 4]: max(8, 8 * round(demand[name] / 8 / 4))} for k, name in enumerate(names)}
    total = max(members, len(running))
    made = generate_federation(file, shares, total, seed=1, name=f"{members} virtual clusters")
    homes = [*running["virtual_cluster"].to_list(), *names][:total]
    sizes = [*running["gpus"].to_list(), *([1] * members)][:total]
    jobs = tuple(
        replace(job, home=home, max_gpus=min(job.max_gpus, max(1, 2 * size)))
        for job, home, size in zip(made.jobs, homes, sizes, strict=True)
    )
    return replace(made, jobs=jobs)


def report(title: str, instance: Instance) -> None:
    """Print one federation."""
    outlook = federate(instance, RULES)
    cost = outlook.extra["cost"]
    game = outlook.game
    alone = sum(float(game.low[1 << i]) for i in range(len(game)))
    print(f"\n{title}: {len(instance.jobs)} jobs; alone {alone:.2f}, together {float(game.total):.2f}")
    print(f"  {cost['solves']} coalitions solved in {cost['values_s']:.1f} s; Owen's one solve {cost['owen_s']:.2f} s")
    print(f"  core exists: {outlook.verdicts['core-exists'].holds}")
    for rule, s in outlook.settlements.items():
        gains = [float(x - game.low[1 << i]) for i, x in enumerate(s.payments.amounts)]
        listed = " ".join(f"{gain:6.2f}" for gain in gains)
        worst = s.leaving[0]
        leaves = f"worst {names_of(game.members, worst.coalition)} {float(worst.low):+.2f}"
        verdicts = f"core {s.verdicts['core'].holds}, rational {s.verdicts['individually-rational'].holds}"
        print(f"  {rule:18} gains {listed}  {verdicts}; {leaves}; {len(s.ledger)} entries; {s.seconds:.3f} s")


def large() -> None:
    """Print what Owen's payments of 100 sites and 100,000 jobs cost."""
    names = [f"site-{k}" for k in range(100)]
    made = generate_federation(curves(), {name: {TYPES[k % 4]: 64} for k, name in enumerate(names)}, 100_000, seed=1)
    jobs = tuple(
        replace(job, sites=tuple(names[(number + k) % 100] for k in range(4)), max_gpus=min(job.max_gpus or 8, 8))
        for number, job in enumerate(made.jobs)
    )
    instance = replace(made, jobs=tuple(replace(job, data_gb=0.0) for job in jobs))
    began, cpu = time.perf_counter(), time.process_time()
    federation = federation_of(instance)
    built = time.perf_counter() - began
    found = owen(federation, time_limit=5)
    cpu = time.process_time() - cpu
    print(
        f"{len(federation.members)} members, {len(jobs)} jobs, {len(federation.problem.configurations)} configurations"
    )
    print(f"table {built:.1f} s, prices and payments {found.seconds:.1f} s; {cpu:.1f} s of CPU time")
    print(f"achieved {found.achieved:.6g}, not covered {100 * found.uncovered / found.total:.4f} %")


def example() -> None:
    """Write the example of the documentation and its picture."""
    made = generate_federation(
        curves(),
        {"north": {"t4": 16}, "south": {"rtx2080ti": 16}, "west": {"a100": 8}},
        15,
        seed=2,
        name="federation-3",
    )
    save(made, ROOT / "instances" / "federation-3.json")
    outlook = federate(made, ("shapley", "nucleolus", "owen"))
    write_bytes(ROOT / "docs" / "federation.svg", picture(outlook).encode())


def picture(outlook: Outlook) -> str:
    """Return bars of what each member has alone and by each rule, as SVG."""
    from xml.sax.saxutils import escape

    game = outlook.game
    bars = {"alone": [float(game.low[1 << i]) for i in range(len(game))]}
    bars |= {rule: [float(x) for x in s.payments.amounts] for rule, s in outlook.settlements.items()}
    colours = ("#9aa5b1", "#2f6fab", "#3a9d6e", "#d98324", "#8b5fbf")
    most = max(max(values) for values in bars.values())
    wide, high, base = 36, 180, 220
    parts = []
    for i, name in enumerate(game.members):
        left = 60 + i * (wide * len(bars) + 40)
        for k, values in enumerate(bars.values()):
            tall = high * max(0.0, values[i]) / most
            x, y = left + k * wide, base - tall
            parts.append(f'<rect x="{x}" y="{y:.1f}" width="{wide - 4}" height="{tall:.1f}" fill="{colours[k]}"/>')
            parts.append(f'<text x="{x + (wide - 4) / 2}" y="{y - 4:.1f}" text-anchor="middle">{values[i]:.1f}</text>')
        middle = left + wide * len(bars) / 2
        parts.append(f'<text x="{middle}" y="{base + 18}" text-anchor="middle" class="name">{escape(name)}</text>')
    for k, rule in enumerate(bars):
        x = 60 + k * 120
        parts.append(f'<rect x="{x}" y="{base + 34}" width="12" height="12" fill="{colours[k]}"/>')
        parts.append(f'<text x="{x + 18}" y="{base + 44}">{escape(rule)}</text>')
    width = 60 + len(game) * (wide * len(bars) + 40)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {base + 60}" font-family="sans-serif"'
    title = "What each member has in an hour (currency), alone and in the federation"
    style = "<style>text{font-size:11px;fill:#333}.name{font-size:13px;font-weight:bold}</style>"
    back = f'<rect width="{width}" height="{base + 60}" fill="white"/>'
    heading = f'<text x="60" y="18" class="name">{title}</text>'
    lines = [f'{head} role="img">', f"<title>{title}</title>", style, back, heading, *parts, "</svg>", ""]
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("oracle", "sites", "owen", "example"))
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--philly", type=Path, help="table of a trace: submitted, duration_s, gpus, virtual_cluster")
    options = parser.parse_args()
    if options.what == "oracle":
        oracle(options.games)
    elif options.what == "sites":
        sites(options.philly)
    elif options.what == "owen":
        large()
    else:
        example()


if __name__ == "__main__":
    main()
