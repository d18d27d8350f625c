"""``optsched doctor``: what is installed here, and whether it works."""

from __future__ import annotations

import time
from typing import Any

from optsched.cli.options import AsJson
from optsched.cli.output import print_json, say

__all__ = ["doctor"]


def doctor(as_json: AsJson = False) -> int:
    """Check the installation. Versions, solvers, extras, and a self-test; exit code 1 if a test fails."""
    from optsched.bench.machine import machine, versions

    found: dict[str, Any] = {"versions": versions(), "machine": machine(), "extras": _extras(), "plug_ins": _plug_ins()}
    if not as_json:
        _print(found)
    tests = []
    for name, test in (("highs", _solves), ("cpsat", _solves), ("pyomo", _solves), ("prices", _prices)):
        tests.append(_tried(name, test))
        if not as_json:
            say(f"test {name}: {tests[-1]['outcome']} ({tests[-1]['seconds']:.1f} s)")
    healthy = all(test["ok"] for test in tests)
    if as_json:
        print_json({**found, "tests": tests, "ok": healthy})
    else:
        say("all tests passed" if healthy else "some tests failed: see above")
    return 0 if healthy else 1


def _extras() -> dict[str, dict[str, str | None]]:
    """Return the packages of each extra with their versions; None where one is missing."""
    import re
    from importlib.metadata import PackageNotFoundError, metadata, version

    def found(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    extras: dict[str, dict[str, str | None]] = {}
    for line in metadata("optsched").get_all("Requires-Dist") or []:
        needed, _, condition = line.partition(";")
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", condition)
        package = re.match(r"[\w.-]+", needed.strip())
        if extra and package and package[0] != "optsched":
            extras.setdefault(extra[1], {})[package[0]] = found(package[0])
    return extras


def _plug_ins() -> dict[str, str]:
    """Return why plug-ins of other packages cannot be loaded, by their names."""
    from optsched.problem.formulation import FORMULATIONS

    return dict(FORMULATIONS.broken)


def _tried(name: str, test: Any) -> dict[str, Any]:
    """Run a test; whatever it raises is its outcome."""
    started = time.perf_counter()
    try:
        outcome = test(name)
    except Exception as error:  # a broken installation raises anything
        outcome = f"{type(error).__name__}: {error}"
    return {
        "test": name,
        "ok": outcome == "optimal, checked",
        "outcome": outcome,
        "seconds": time.perf_counter() - started,
    }


def _solves(backend: str) -> str:
    """Solve the quick start by a backend, and check the plan."""
    return _outcome(formulation="configuration", backend=backend)


def _prices(_: str) -> str:
    """Solve the quick start by the price engine, and check the plan."""
    return _outcome()


def _outcome(**options: Any) -> str:
    from optsched import check, load, solve
    from optsched.bench.library import packaged

    instance = load(packaged() / "quickstart.json")
    result = solve(instance, objective="progress", time_limit=10, **options)
    report = check(instance, result.allocations, claimed=result.value)
    return f"{result.status}, {'checked' if report.ok else 'and the checker refuses the plan'}"


def _print(found: dict[str, Any]) -> None:
    """Print versions, machine, extras and plug-ins."""
    say("versions: " + ", ".join(f"{name} {number or 'missing'}" for name, number in found["versions"].items()))
    place = found["machine"]
    say(f"machine: {place['cpu']}, {place['cores']} cores, {place['ram_gb']} GB, {place['system']}")
    for extra, packages in found["extras"].items():
        missing = [package for package, number in packages.items() if number is None]
        say(f"extra {extra}: " + (f"missing {', '.join(missing)}" if missing else "complete"))
    for label, reason in found["plug_ins"].items():
        say(f"plug-in {label} is broken: {reason}")
