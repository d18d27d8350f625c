"""The contract of ``solve`` under faults: a checked plan by the time limit, whatever the solvers do or say.

Each run solves one of a few instances with a random time limit, formulation and backend, while random
faults of ``tests/support/solver_faults.py`` stand in the places of HiGHS and CP-SAT, beneath the protocol that the
real ones use. Checked are: that there is a plan which the checker confirms, how late it came, that its
bound is none that the true optimum refutes, and that "optimal" is true. In the end there must be no
process and no temporary file left. ``--large`` solves a hundred thousand jobs within short limits instead;
``--costs`` measures what processes cost beside threads of this one.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import msgspec
from common import CURVES, parser_of, show
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from optsched import Instance, ObjectiveSpec, check, solve  # noqa: E402
from optsched.instance import loads  # noqa: E402
from optsched.instance.generators.workload import generate  # noqa: E402
from optsched.problem.build import build_problem  # noqa: E402
from optsched.problem.formulation import DEFAULT, formulation  # noqa: E402
from optsched.solvers import Limits, RunContext, cpsat, highs, pyomo  # noqa: E402
from optsched.solvers.subprocess import client as worker  # noqa: E402
from optsched.solvers.subprocess import pool as processes  # noqa: E402
from tests.support import solver_faults as faults  # noqa: E402

PROMISED = 0.25
GAP = 1e-4
WAYS = (
    {},
    {"backend": "highs"},
    {"backend": "cpsat"},
    {"formulation": "configuration"},
    {"formulation": "allocation", "backend": "highs"},
    {"formulation": "marginal-gain"},
)


@dataclass
class Tally:
    """What the runs came to."""

    runs: int = 0
    without: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    overruns: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)


def cases(quick: bool) -> list[tuple[Instance, float]]:
    """Return instances, each with its optimum, found by HiGHS and CP-SAT alike."""
    found = []
    for jobs in (12,) if quick else (6, 12, 25, 50):
        made = generate(CURVES, {"t4": jobs, "v100": jobs // 2, "a100": 2}, jobs, seed=jobs)
        required = [msgspec.structs.replace(j, required=k % 4 == 0) for k, j in enumerate(made.jobs)]
        for name in ("progress", "max-min"):
            case = msgspec.structs.replace(made, jobs=tuple(required), objective=ObjectiveSpec(name=name))
            values = [
                solve(case, formulation="configuration", backend=backend, gap=1e-6, time_limit=60).value
                for backend in ("highs", "cpsat")
            ]
            if None in values or abs(values[0] - values[1]) > 1e-4 * abs(values[0]):
                sys.exit(f"no agreed optimum of {jobs} jobs: {values}")
            found.append((case, max(values)))
    return found


def run(case: Instance, optimum: float, chance: random.Random, tally: Tally) -> None:
    """Solve once under random faults."""
    names = [*faults.FAULTS, "honest"]
    chosen = {backend: chance.choice(names) for backend in ("highs", "cpsat")}
    for backend, name in chosen.items():
        worker.ENTRIES[backend] = f"{faults.HOME}:{name}"
    limit, options = chance.uniform(0.1, 0.6), chance.choice(WAYS)
    began = time.monotonic()
    result = solve(case, time_limit=limit, gap=GAP, **options)
    late = time.monotonic() - began - limit
    what = f"{chosen} {options} {limit:.2f} s on {len(case.jobs)} jobs ({case.objective.name})"
    tally.runs += 1
    tally.statuses[result.status] += 1
    for name in {chosen[options.get("backend", "highs")]}:
        tally.overruns[name].append(late)
    if result.status not in ("optimal", "feasible"):
        tally.without.append(f"{what}: {result.status} {result.reason} {result.notes}")
        return
    report = check(case, result.allocations, result.objective, result.value)
    if not report.ok:
        tally.without.append(f"{what}: {report.violations[0]}")
    if result.bound is not None and result.bound < optimum * (1 - 2e-6):
        tally.wrong.append(f"{what}: bound {result.bound}, and {optimum} is possible {result.notes}")
    if result.status == "optimal" and result.value < optimum * (1 - GAP - 2e-6):
        tally.wrong.append(f"{what}: {result.value} is called optimal, and {optimum} is possible {result.notes}")


def faulted(runs: int, seed: int, quick: bool) -> bool:
    """Run the faults and print what they came to; return whether the contract held."""
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # our own, so that what is left in it is ours
        return _faulted(runs, seed, quick, Path(folder))


def _faulted(runs: int, seed: int, quick: bool, folder: Path) -> bool:
    some = cases(quick)
    honest = dict(worker.ENTRIES)
    chance, tally = random.Random(seed), Tally()
    for _ in range(runs):
        run(*chance.choice(some), chance, tally)
    worker.ENTRIES.update(honest)
    processes.close()
    time.sleep(0.5)
    mine = [p for p in Path("/proc").glob("[0-9]*") if _parent(p) == _me()]
    files = list(folder.iterdir())
    table = Table("fault", "runs", "late by, median s", "most s")
    for name, late in sorted(tally.overruns.items(), key=lambda item: -max(item[1])):
        table.add_row(name, str(len(late)), f"{sorted(late)[len(late) // 2]:.3f}", f"{max(late):.3f}")
    Console(width=120).print(table)
    everyone = [late for each in tally.overruns.values() for late in each]
    print(f"{tally.runs} runs: {dict(tally.statuses)}")
    print(f"without a checked plan: {len(tally.without)}; claims that are not so: {len(tally.wrong)}")
    print(f"later than {PROMISED} s: {sum(late > PROMISED for late in everyone)}; the latest by {max(everyone):.3f} s")
    print(f"processes left over: {len(mine)}; temporary files left over: {len(files)}")
    for line in [*tally.without, *tally.wrong][:20]:
        print(line)
    return not (tally.without or tally.wrong or mine or files)


def _me() -> int:
    return int(Path("/proc/self").resolve().name)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def large(jobs: int) -> bool:
    """Solve many jobs within short limits, and print what came of it."""
    made = generate(CURVES, {"t4": jobs // 2, "v100": jobs // 4, "a100": jobs // 8}, jobs, seed=1)
    case = loads(msgspec.json.encode(made))  # as who solves a file has it
    table = Table("limit s", "late by s", "status", "value", "jobs that run", "of what")
    fine = True
    for limit in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        began = time.monotonic()
        result = solve(case, time_limit=limit)
        late = time.monotonic() - began - limit
        report = check(case, result.allocations, result.objective, result.value)
        fine &= report.ok and result.value is not None
        what = next((note for note in reversed(result.notes) if "jobs" in note or "empty plan" in note), "the whole")
        table.add_row(
            f"{limit:g}", f"{late:.3f}", result.status, f"{result.value or 0.0:.1f}", str(len(result.allocations)), what
        )
        time.sleep(0 if limit < 10 else 5)  # what was left behind ends
    show(f"{jobs} jobs; every plan checked: {fine}", table)
    return fine


def costs(quick: bool) -> bool:
    """Print what it costs to run a solver in a process of its own."""
    case = generate(CURVES, {"t4": 8, "v100": 4}, 12, seed=3)
    problem = build_problem(case)
    table = Table("solver", "start of its process s", "run in it ms", "run in a thread ms", "difference ms")
    for form, backend in (("linear", highs), ("cpsat", cpsat), ("pyomo", pyomo)):
        model = formulation("configuration").forms[form](problem, DEFAULT).model
        starts, inside, beside = [], [], []
        for _ in range(1 if quick else 5):
            processes.close()
            starts.append(_seconds(backend, model))
        for _ in range(3 if quick else 50):
            inside.append(_seconds(backend, model))
            with patch.object(processes, "possible", lambda: False):
                beside.append(_seconds(backend, model))
        start, own, same = (statistics.median(each) for each in (starts, inside, beside))
        cells = (start - own, 1e3 * own, 1e3 * same, 1e3 * (own - same))
        table.add_row(form, *(f"{x:.2f}" for x in cells))
    show("a model of 12 jobs; medians; the first run in a thread of each solver, which imports it, is among 50", table)
    return True


def _seconds(backend: ModuleType, model: object) -> float:
    began = time.monotonic()
    if backend.solve(model, RunContext(Limits())).status != "optimal":
        sys.exit(f"{backend.__name__} found no optimum")
    return time.monotonic() - began


def main() -> None:
    """Run the benchmark; exit code 1 where the contract was broken."""
    parser = parser_of(__doc__, quick="ten runs on the smallest instance")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--large", type=int, default=0, metavar="JOBS", help="so many jobs, within short limits")
    parser.add_argument("--costs", action="store_true", help="of processes beside threads")
    wanted = parser.parse_args()
    if wanted.costs:
        sys.exit(0 if costs(wanted.quick) else 1)
    kept = (
        large(wanted.large) if wanted.large else faulted(10 if wanted.quick else wanted.runs, wanted.seed, wanted.quick)
    )
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
