"""Imports go one way: every module has a layer, and imports only from those below it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]
TABLE = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
LAYERS = [{f"optsched.{name}" for name in re.findall(r"`(\w+)`", cell)} for cell in TABLE]
"""From the lowest, as the documentation has them."""
CHECKER_SEES = {
    "optsched.checker", "optsched.curves", "optsched.instance", "optsched.objectives", "optsched.solution",
    "optsched.errors",
}  # fmt: skip
SOLVERS = {"highspy", "ortools", "pyomo"}
NATIVE = {
    "optsched.backends.highs": {"highspy"},
    "optsched.backends.relaxation": {"highspy"},
    "optsched.backends.cpsat": {"ortools"},
    "optsched.backends.pyomo": {"pyomo"},
    "formulations.reference": {"pyomo"},
    "formulations.cpsat": {"ortools"},
    "formulations.schedule.intervals": {"ortools"},
}
"""Who may import which solver."""


def modules():
    """Return the file of every module of the two packages by its name."""
    found = {}
    for package in ("optsched", "formulations"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(source, *, top_only=False, types=False):
    """Return the modules that a source imports, anywhere in it or at its top only, with or without those for types."""
    found = set()
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if is_type_checking(node) and not types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if not (top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)
    return found


def within(name, package):
    return name == package or name.startswith(f"{package}.")


def layer(name):
    """Return the number of a module's layer, and the package or module of LAYERS that it belongs to."""
    own = ".".join(name.split(".")[:2])
    return next(number for number, entries in enumerate(LAYERS) if own in entries), own


MODULES = modules()
LAYERED = sorted(name for name in MODULES if name.startswith("optsched.") and name != "optsched.__main__")
IMPORTS = {name: imports(file.read_text()) for name, file in MODULES.items()}


def known(names):
    """Return those of the names that are modules here."""
    return {name for name in names if name in MODULES and name not in ("optsched", "formulations")}


def test_every_module_has_one_layer():
    named = [entry for entries in LAYERS for entry in entries]
    assert sorted(named) == sorted({".".join(m.split(".")[:2]) for m in LAYERED})


@pytest.mark.parametrize("name", LAYERED)
def test_imports_go_down(name):
    own, entry = layer(name)
    for other in known(IMPORTS[name]):
        number, theirs = layer(other)
        assert number < own or theirs == entry, f"{name} imports {other}"


def test_no_module_is_needed_by_what_it_needs():
    graph = nx.DiGraph()
    for name, file in MODULES.items():
        found = known(imports(file.read_text(), types=True))
        # ``from package import module`` names the package, too
        graph.add_edges_from((name, other) for other in found if not within(name, other))
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize("name", sorted(m for m in MODULES if within(m, "optsched")))
def test_the_core_does_not_know_the_formulations(name):
    assert not {other for other in IMPORTS[name] if within(other, "formulations")}


@pytest.mark.parametrize("name", sorted(m for m in MODULES if within(m, "optsched.checker")))
def test_the_checker_knows_the_instance_and_the_curves_only(name):
    for other in known(IMPORTS[name]):
        assert any(within(other, seen) for seen in CHECKER_SEES), f"{name} imports {other}"


def reached(name):
    """Return all modules that importing one brings along, when it is imported."""
    seen, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += known(imports(MODULES[one].read_text(), top_only=True))
    return seen


def test_the_checker_brings_no_tables_along():
    brought = reached("optsched.checker")
    assert not {m for m in brought if m in ("optsched.configurations", "optsched.problem", "optsched.pools")}


def test_the_checker_brings_no_models_and_no_solvers_along():
    brought = reached("optsched.checker") | reached("optsched.checker.truth")
    for package in ("optsched.linear", "optsched.backends", "optsched.formulation", "optsched.heuristics"):
        assert not {m for m in brought if within(m, package)}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_solvers_are_imported_by_those_that_run_them(name):
    allowed = set().union(*(solvers for home, solvers in NATIVE.items() if within(name, home)))
    found = {other.partition(".")[0] for other in IMPORTS[name]} & SOLVERS
    assert found <= allowed


@pytest.mark.parametrize("name", sorted(m for m in MODULES if within(m, "optsched")))
def test_solvers_are_imported_when_they_are_needed(name):
    top = imports(MODULES[name].read_text(), top_only=True)
    assert not {other.partition(".")[0] for other in top} & SOLVERS


@pytest.mark.parametrize("name", sorted(m for m in MODULES if within(m, "formulations")))
def test_formulations_see_no_backend(name):
    backends = {other for other in known(IMPORTS[name]) if within(other, "optsched.backends")}
    allowed = {"optsched.backends.pyomo"} if within(name, "formulations.reference") else set()
    assert not {other for other in backends if not any(within(one, other) for one in allowed)}


@pytest.mark.parametrize("name", ["configuration", "allocation"])
def test_formulations_bring_no_solver_along(name):
    top = imports(MODULES[f"formulations.{name}"].read_text(), top_only=True)
    assert not {m for m in top if within(m, "formulations.reference") or within(m, "formulations.cpsat")}


def test_the_test_sees_what_it_must():
    source = "import a.b\nfrom c import d\nif TYPE_CHECKING:\n    import e\ndef f():\n    from g import h\n"
    assert imports(source) == {"a.b", "c", "c.d", "g", "g.h"}
    assert imports(source, top_only=True) == {"a.b", "c", "c.d"}
    assert imports(source, types=True) == {"a.b", "c", "c.d", "e", "g", "g.h"}
