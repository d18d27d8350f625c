"""What is known of the instances of the library, found anew: best plans, bounds, gaps of the LP, times, tags.

Each instance is solved within the limit; a plan that is better than the one that is kept, and a bound that is tighter,
take its place (``--write``), and nothing is taken up that `optsched instances --verify` would object to. Of instances
solved by hand the value stays the one by hand. ``easy``, ``hard`` and ``open`` go by the fastest run of any exact
formulation here, which is why they change with the machine.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
from common import parser_of

import optsched
from optsched._util.files import write_json
from optsched.bench.exact import exact
from optsched.bench.library import Known, digest, plan_of, solution, verify
from optsched.bench.recipes import Recipe, made
from optsched.instance import Instance, ObjectiveSpec
from optsched.instance.result import Result, load_result
from optsched.prediction.curves.fitted import load_curves
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, formulation
from optsched.solvers import Limits, RunContext, highs

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "instances"
EASY, HARD = 1.0, 10.0
"""Seconds."""


def lp_gap(instance: Instance, value: float) -> float | None:
    """Return how far the LP relaxation's bound is above a value; None where there is no such relaxation."""
    chosen, problem = formulation("configuration"), build_problem(instance)
    if not chosen.supports(problem).ok or problem.objective.aggregate != "sum":
        return None
    outcome = highs.solve(chosen.forms["linear"](problem, DEFAULT).model, RunContext(Limits()), relaxed=True)
    return None if outcome.bound is None else max(0.0, round((outcome.bound - value) / max(1e-12, abs(value)), 9))


def solved(instance: Instance, objective: str, gap: float, limit: float) -> tuple[Result, float]:
    """Return the best of auto and the exact formulation, with the least time to a proof; the limit if none did."""
    exactly = "configuration" if instance.decides == "counts" else instance.decides
    best, least = None, limit
    for name in ("auto", exactly):
        began = time.monotonic()
        result = optsched.solve(instance, objective=objective, formulation=name, gap=gap, time_limit=limit)
        if result.status in ("optimal", "infeasible"):
            least = min(least, time.monotonic() - began)
        if best is None or (result.value is not None and result.value > (best.value or float("-inf"))):
            best = result if best is None or result.bound is None else tighter(result, best.bound)
        elif result.bound is not None:
            best = tighter(best, result.bound)
    assert best is not None
    return best, least


def tighter(result: Result, bound: float | None) -> Result:
    """Return a result with the better of two bounds, of what is to be maximized."""
    if bound is None or result.bound is None or result.bound <= bound:
        return result
    return msgspec.structs.replace(result, bound=bound, gap=abs(bound - (result.value or 0)) / abs(result.value or 1))


def known_of(name: str, instance: Instance, was: Known, limit: float) -> tuple[Known, Result]:
    """Return what is known of an instance after it was solved once more, and its plan."""
    result, seconds = solved(instance, was.objective, was.gap, limit)
    if plan_of(LIBRARY, name).exists():
        kept = load_result(plan_of(LIBRARY, name))
        if result.value is not None and kept.value is not None and result.value <= kept.value * (1 + 1e-12):
            result = tighter(kept, result.bound)
    changes: dict[str, Any] = {"status": result.status, "sha256": digest(LIBRARY / name)}
    effort = "easy" if seconds <= EASY else "hard" if seconds > HARD else ""
    if result.status == "feasible":
        effort = "open"
    tags = [tag for tag in was.tags if tag not in ("easy", "hard", "open")] + [effort] * bool(effort)
    if result.value is not None:
        found = exact(instance, result.allocations, ObjectiveSpec(name=was.objective))
        changes["exact"] = str(found.value) if found.value is not None and not found.by_curves else None
        changes["lp_gap"] = lp_gap(instance, was.value if was.found_by == "hand" else result.value)
        if was.found_by != "hand":
            changes |= {"value": result.value, "bound": max(result.value, result.bound or result.value)}
            if was.value is None or result.value > was.value:
                changes["found_by"] = changes["proved_by"] = f"optsched {optsched.__version__}, {result.formulation}"
    return msgspec.structs.replace(was, tags=tuple(tags), **changes), solution(result)


def main() -> None:
    """Solve, print, and write."""
    parser = parser_of(__doc__, quick="the micro instances, and nothing is written")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a run")
    parser.add_argument("--only", default="", help="instances whose name contains this")
    parser.add_argument("--write", action="store_true", help="take what is better up")
    arguments = parser.parse_args()
    file = LIBRARY / "best-known.json"
    entries = msgspec.json.decode(file.read_bytes(), type=dict[str, Known])
    for name, was in entries.items():
        if arguments.only not in name or (arguments.quick and "micro" not in name):
            continue
        if was.generate is not None and not (LIBRARY / name).exists() and arguments.write:
            remake(was.generate, LIBRARY / name)
        instance = optsched.load(LIBRARY / name)
        now, plan = known_of(name, instance, was, arguments.limit)
        print(f"{name}: {now.status}, value {now.value}, bound {now.bound}, {', '.join(now.tags)}", flush=True)
        if arguments.write and not arguments.quick:
            if plan.value is not None:
                plan_of(LIBRARY, name).parent.mkdir(parents=True, exist_ok=True)
                write_json(plan_of(LIBRARY, name), plan)
            entries[name] = now
            write_json(file, entries)
            for wrong in verify(LIBRARY, name, now):
                print(f"  {wrong}", flush=True)


def remake(recipe: Recipe, path: Path) -> None:
    """Write a generated instance."""
    path.parent.mkdir(parents=True, exist_ok=True)
    optsched.save(made(recipe, load_curves(LIBRARY / "curves.json")), path)


if __name__ == "__main__":
    main()
