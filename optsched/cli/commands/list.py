"""``optsched objectives``, ``formulations`` and ``schema``: what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optsched.cli.options import AsJson
from optsched.cli.output import print_json, say_broken

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["formulations", "objectives", "schema"]


def objectives(as_json: AsJson = False) -> int:
    """List the objectives. What they mean, their units, parameters and sources."""
    from importlib import import_module

    import msgspec

    from optsched.instance.objectives import OBJECTIVES

    found = []
    for name, home in OBJECTIVES.items():
        module = import_module(home)
        goal = module.make(module.Parameters())
        found.append(
            {
                "name": name,
                "meaning": goal.meaning,
                "unit": goal.unit,
                "source": goal.source,
                "sense": "least" if goal.sign < 0 else "most",
                "parameters": msgspec.to_builtins(module.Parameters()),
            }
        )
    if as_json:
        print_json(found)
    else:
        _print_objectives(found)
    return 0


def _print_objectives(found: Sequence[dict[str, Any]]) -> None:
    from optsched.cli.terminal import console, table

    page = table("name", "parameters", "meaning", left=3)
    for f in found:
        settings = ":".join(f"{key}={json.dumps(value)}" for key, value in f["parameters"].items())
        page.add_row(f["name"], settings, f["meaning"] + (f" ({f['unit']})" if f["unit"] else ""))
    console().print(page)


def formulations(as_json: AsJson = False) -> int:
    """List the formulations and heuristics. What they decide, on which backends, exact or not."""
    from optsched.problem.formulation import formulations as installed
    from optsched.search.solve import HEURISTICS
    from optsched.solvers import BACKENDS

    say_broken()
    found = [
        {
            "name": f.name,
            "decides": f.decides,
            "exact": f.exact,
            "backends": [backend for backend, form in BACKENDS.items() if form in f.forms],
            "encodings": f.encodings,
            "cuts": f.cuts,
        }
        for f in installed().values()
    ]
    found += [{"name": name, "decides": what, "exact": False, "backends": []} for name, what in HEURISTICS.items()]
    if as_json:
        print_json(found)
    else:
        _print_formulations(found)
    return 0


def _print_formulations(found: Sequence[dict[str, Any]]) -> None:
    """Print what there is to solve with, and what their builders may be told."""
    from optsched.cli.terminal import console, table

    page = table("name", "decides", "backends", "kind", left=4)
    for f in found:
        page.add_row(f["name"], f["decides"], ", ".join(f["backends"]) or "-", "exact" if f["exact"] else "heuristic")
    terminal = console()
    terminal.print(page)
    for option, key in (("--encoding", "encodings"), ("--exclude", "cuts")):
        terminal.print()
        for f in found:
            if names := f.get(key):
                terminal.print(f"{f['name']} {option}: {', '.join(names)}")


def schema() -> int:
    """Print the JSON Schema of all files."""
    import msgspec

    from optsched.instance import Instance
    from optsched.instance.result import Result
    from optsched.prediction.curves.fitted import CurveFile
    from optsched.schedule import Horizon, Schedule

    kinds = [Instance, Result, CurveFile, Horizon, Schedule]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    print_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "optsched files: an instance, a result, fitted curves, a horizon, or a schedule",
            "anyOf": list(schemas),
            "$defs": components,
        }
    )
    return 0
