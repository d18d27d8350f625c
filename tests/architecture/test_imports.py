"""Imports go one way: the rooms of the package stand on floors, and each rule about who may import whom is one case."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[2]
TABLE = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
LAYERS = [re.findall(r"`(\w+)`", cell) for cell in TABLE]
"""The rooms of each layer, from the lowest, as the documentation lists them."""
SOLVERS = {"highspy", "ortools", "pyomo"}
NATIVE = {
    "optsched.solvers.highs": {"highspy"},
    "optsched.solvers.lp_relaxation": {"highspy"},
    "optsched.solvers.cpsat": {"ortools"},
    "optsched.solvers.pyomo": {"pyomo"},
    "formulations.reference": {"pyomo"},
    "formulations.cpsat": {"ortools"},
    "formulations.schedule.intervals": {"ortools"},
}
"""The solver libraries that a module may import."""


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


MODULES = modules()
SOURCES = {name: file.read_text() for name, file in MODULES.items()}


def known(names):
    """Return those of the names that are modules here."""
    return {name for name in names if name in MODULES and name not in ("optsched", "formulations")}


IMPORTS = {name: known(imports(source)) for name, source in SOURCES.items()}


def room(name):
    """Return the room of a module: the first part of its name below ``optsched``, or ``formulations``."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] if package == "optsched" else package


def of_room(*rooms):
    return {name for name in MODULES if room(name) in rooms}


def assert_sees_only(own, allowed):
    """Assert that the modules of one room import only from the rooms allowed, and from themselves."""
    found = {
        f"{name} imports {other}" for name in of_room(own) for other in IMPORTS[name] if room(other) not in allowed
    }
    assert {line for line in found if room(line.rpartition(" ")[2]) != own} == set()


def assert_sees_nothing_of(own, forbidden):
    assert {
        f"{name} imports {other}" for name in of_room(own) for other in IMPORTS[name] & of_room(*forbidden)
    } == set()


def test_every_room_has_one_layer():
    named = [entry for entries in LAYERS for entry in entries]
    assert sorted(named) == sorted({room(name) for name in MODULES if name not in ("optsched", "optsched.__main__")})


def test_imports_go_down():
    layer = {entry: number for number, entries in enumerate(LAYERS) for entry in entries}
    wrong = {
        f"{name} imports {other}"
        for name in MODULES
        if name not in ("optsched", "optsched.__main__")
        for other in IMPORTS[name]
        if layer[room(other)] >= layer[room(name)] and room(other) != room(name)
    }
    assert wrong == set()


def test_no_module_is_needed_by_what_it_needs():
    graph = nx.DiGraph()
    for name, source in SOURCES.items():
        found = known(imports(source, types=True))
        # ``from package import module`` names the package, too
        graph.add_edges_from((name, other) for other in found if not within(name, other))
    assert list(nx.simple_cycles(graph)) == []


def test_the_checker_sees_the_instance_and_the_curves_only():
    assert_sees_only("checker", {"instance", "prediction", "errors", "_util"})


def test_solvers_see_no_instance():
    assert_sees_only("solvers", {"errors", "_util"})


def test_prediction_sees_no_instance():
    assert_sees_only("prediction", {"errors", "_util"})


def test_the_core_does_not_know_the_formulations():
    for own in {room(name) for name in MODULES} - {"formulations", ""}:
        assert_sees_nothing_of(own, {"formulations"})


def test_schedule_timeshare_and_explain_do_not_see_each_other():
    assert_sees_nothing_of("schedule", {"timeshare", "explain"})
    assert_sees_nothing_of("timeshare", {"schedule", "explain"})
    assert_sees_nothing_of("explain", {"schedule", "timeshare"})


def test_only_the_entry_point_imports_the_command_line():
    assert {name for name in MODULES if IMPORTS[name] & of_room("cli")} - of_room("cli") == {"optsched.__main__"}


def reached(name):
    """Return all modules that importing one brings along, when it is imported."""
    seen, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += known(imports(SOURCES[one], top_only=True))
    return seen


def test_the_checker_brings_no_tables_models_or_solvers_along():
    brought = reached("optsched.checker") | reached("optsched.checker.recompute")
    assert {name for name in brought if room(name) in ("problem", "solvers", "search")} == set()


def test_solver_libraries_are_imported_by_the_modules_that_run_them():
    for name, source in SOURCES.items():
        allowed = set().union(*(libraries for home, libraries in NATIVE.items() if within(name, home)))
        found = {other.partition(".")[0] for other in imports(source)} & SOLVERS
        assert found <= allowed, name


def test_solver_libraries_are_imported_when_they_are_used():
    for name in MODULES:
        if within(name, "optsched"):
            top = imports(SOURCES[name], top_only=True)
            assert not {other.partition(".")[0] for other in top} & SOLVERS, name


def test_formulations_see_no_backend():
    backends = {f"optsched.solvers.{name}" for name in ("highs", "cpsat", "pyomo", "lp_relaxation", "subprocess")}
    for name in of_room("formulations"):
        allowed = {"optsched.solvers.pyomo"} if within(name, "formulations.reference") else set()
        found = {backend for other in IMPORTS[name] for backend in backends if within(other, backend)}
        assert found <= allowed, name


def test_formulations_bring_no_solver_along():
    for name in ("configuration", "allocation"):
        top = imports(SOURCES[f"formulations.{name}"], top_only=True)
        assert not {m for m in top if within(m, "formulations.reference") or within(m, "formulations.cpsat")}


def test_the_reader_of_imports_sees_each_kind_of_import():
    source = "import a.b\nfrom c import d\nif TYPE_CHECKING:\n    import e\ndef f():\n    from g import h\n"
    assert imports(source) == {"a.b", "c", "c.d", "g", "g.h"}
    assert imports(source, top_only=True) == {"a.b", "c", "c.d"}
    assert imports(source, types=True) == {"a.b", "c", "c.d", "e", "g", "g.h"}
