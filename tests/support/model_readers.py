"""Other programs that read models: each returns the optimum of a file, or None where there is none."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

__all__ = ["READERS", "lp_of"]


def lp_of(path: Path) -> Any:
    """Return the model as HiGHS reads it."""
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    assert solver.readModel(str(path)) == highspy.HighsStatus.kOk
    return solver


def by_highs(path: Path) -> float | None:
    import highspy

    solver = lp_of(path)
    # by a rule that stays off, presolve calls points optimal that are not (tests/solvers/test_highs.py)
    for name, value in (("mip_rel_gap", 1e-9), ("mip_abs_gap", 1e-9), ("presolve_rule_off", 1 << 12)):
        solver.setOptionValue(name, value)
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return None
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(solver.getInfo().objective_function_value)


def by_glpk(path: Path) -> float | None:
    kind = "--freemps" if path.suffix == ".mps" else "--lp"
    out = path.with_suffix(".glpk")
    said = run("glpsol", kind, path, "--mipgap", "1e-9", "-o", out)
    if re.search(r"NO (PRIMAL|INTEGER) FEASIBLE|NO FEASIBLE", said):
        return None
    text = out.read_text()
    assert re.search(r"Status: +(INTEGER )?OPTIMAL", text), said
    found = re.search(r"^Objective: +\S+ = (\S+) \((MIN|MAX)imum\)", text, re.M)
    assert found is not None, text
    return float(found[1])


def by_cbc(path: Path) -> float | None:
    out = path.with_suffix(".cbc")
    said = run("cbc", path, "-ratioGap", "0", "-allowableGap", "1e-9", "-solve", "-solution", out)
    assert "default column names" not in said
    first = out.read_text().splitlines()[0]
    if "nfeasible" in first:
        return None
    found = re.match(r"Optimal.* objective value (\S+)", first)
    assert found is not None, said
    return float(found[1])


def run(program: str, *arguments: object) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


READERS = {"HiGHS": by_highs, "GLPK": by_glpk, "CBC": by_cbc}
