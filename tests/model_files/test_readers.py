"""What is written is what was meant: other readers find the same model, and the same optimum."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

import optsched
from formulations.allocation import ENCODED
from optsched.errors import OutputError
from optsched.instance import ObjectiveSpec
from optsched.model_files.linear import lp_text, mps_text
from optsched.problem.build import build_problem
from optsched.problem.formulation import DEFAULT, ModelOptions, formulation
from optsched.solvers import Limits, RunContext, cpsat, highs
from optsched.solvers.linear import LinearModel
from tests.support.model_readers import READERS, lp_of
from tests.support.placement_instances import made

LIBRARY = Path(__file__).resolve().parents[2] / "instances"
QUICKSTART = optsched.load(LIBRARY / "quickstart.json")
COUNTED = [
    *((QUICKSTART, name, DEFAULT) for name in ("configuration", "allocation")),
    (msgspec.structs.replace(QUICKSTART, objective=ObjectiveSpec(name="max-min")), "configuration", DEFAULT),
    (optsched.load(LIBRARY / "micro" / "required-too-many.json"), "configuration", DEFAULT),
    *((QUICKSTART, "allocation", ModelOptions(encoding=name)) for name in ENCODED[1:]),
]
PLACED = [
    *((made(seed, decides), decides, DEFAULT) for seed in (3, 5, 8) for decides in ("network", "placement")),
    (made(5, "network"), "network", ModelOptions("logarithmic", frozenset({"merge", "patterns"}))),
]
CASES = [*COUNTED, *PLACED]


def name(case):
    instance, formulated, options = case
    return f"{instance.name}-{formulated}-{options.encoding}"


@pytest.mark.parametrize("kind", [".mps", ".lp"])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_every_reader_finds_the_same_optimum(case, kind, tmp_path):
    instance, formulated, options = case
    problem = build_problem(instance)
    built = formulation(formulated).forms["linear"](problem, options)
    outcome = highs.solve(built.model, RunContext(Limits(None, 1e-9)))
    assert outcome.status in ("optimal", "infeasible")
    written = optsched.export(instance, tmp_path / f"m{kind}", formulation=formulated, options=options)
    # the others read the same grammar: a few cases are enough
    for reader in READERS if options == DEFAULT else ("HiGHS",):
        found = READERS[reader](tmp_path / f"m{kind}")
        if outcome.status == "infeasible":
            assert found is None, reader
        else:
            claimed = problem.objective.sign * outcome.objective * built.scale
            assert found * written.factor == pytest.approx(claimed, rel=1e-6), reader


@pytest.mark.parametrize("kind", [".mps", ".lp"])
@pytest.mark.parametrize("case", [COUNTED[0], COUNTED[1], PLACED[-1]], ids=name)
def test_names_and_numbers_come_back(case, kind, tmp_path):
    instance, formulated, options = case
    built = formulation(formulated).forms["linear"](build_problem(instance), options)
    optsched.export(instance, tmp_path / f"m{kind}", formulation=formulated, options=options)
    read = lp_of(tmp_path / f"m{kind}").getLp()
    order = {column: k for k, column in enumerate(read.col_names_)}
    names = built.model.variable_names()
    if kind == ".lp":
        table = str.maketrans("[]+-/:*", "()&____")
        names = [n.translate(table) for n in names]
        assert all(len(n) < 100 for n in order)
    if not any(len(n) > 90 for n in names):
        assert set(order) == set(names)
    at = [order.get(n, -1) for n in names]
    known = [k for k, number in enumerate(at) if number >= 0]
    assert len(known) > 0.8 * len(names)
    here = [at[k] for k in known]
    sign = -1 if kind == ".mps" else 1
    assert np.array_equal(np.array(read.col_cost_)[here] * sign, built.model.cost[known] * built.scale)
    whole = built.model.integer[known]
    lower, upper = built.model.lower[known], built.model.upper[known]
    assert np.array_equal(np.array(read.col_lower_)[here], np.where(whole, np.ceil(lower), lower))
    assert np.array_equal(np.array(read.col_upper_)[here], np.where(whole, np.floor(upper), upper))
    integral = np.array([int(kind) == 1 for kind in read.integrality_])
    assert np.array_equal(integral[here], built.model.integer[known])


def awkward() -> LinearModel:
    """Return a model with everything that formats disagree on; its optimum is 9.25 at (-3, 0.5, 2, 1.5, -4)."""
    model = LinearModel(offset=0.25)
    strange = ["a b", "a\tb", "é", "e1", "y" * 300, "y" * 300 + "z"]
    model.add_variables("x", 1, lower=-np.inf, upper=-3.0, cost=1.0, label=strange.__getitem__)
    model.add_variables("x", 1, lower=0.5, upper=0.5, cost=4.0, label=lambda k: "a_b")
    model.add_variables("n", 1, upper=np.inf, integer=True, cost=4.0, label=lambda k: "y" * 300)
    model.add_variables("n", 1, lower=-np.inf, upper=np.inf, cost=0.0, label=lambda k: "y" * 299 + "z")
    model.add_variables("free", 1, lower=-4.5, upper=1.0, integer=True, cost=-0.5)
    model.add_rows("two", ([0, 0], [0, 2], [1.0, 1.0]), lower=-2.75, upper=-0.5, size=1)
    model.add_rows("range", ([0, 0], [2, 3], [1.0, 1.0]), lower=-1.0, upper=3.5, size=1, label=lambda k: "a b")
    model.add_rows("even", ([0, 0, 0], [3, 2, 2], [1.0, -0.5, -0.25]), lower=0.0, upper=0.0, size=1)
    model.add_rows("nothing", ([0], [0], [0.0]), upper=5.0, size=2)
    model.add_rows("any", ([0], [1], [1.0]), size=1)
    return model


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [".mps", ".lp"])
def test_what_formats_disagree_on(kind, reader, tmp_path):
    model = awkward()
    text = mps_text if kind == ".mps" else lp_text
    path = tmp_path / f"m{kind}"
    path.write_text(text(model, 2.0, ["two\nlines", "ünïcode"]), encoding="ascii")
    outcome = highs.solve(model, RunContext(Limits(None, 1e-9)))
    assert outcome.objective == pytest.approx(9.25)
    assert READERS[reader](path) * (-1 if kind == ".mps" else 1) == pytest.approx(2 * 9.25)
    names = lp_of(path).getLp().col_names_
    assert len(set(names)) == len(names) == 6


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [".mps", ".lp"])
def test_nothing_to_decide(kind, reader, tmp_path):
    path = tmp_path / f"m{kind}"
    path.write_text((mps_text if kind == ".mps" else lp_text)(LinearModel(offset=3.0), 1.0, []))
    assert READERS[reader](path) * (-1 if kind == ".mps" else 1) == 3.0


@pytest.mark.parametrize("kind", [".pb", ".pbtxt"])
@pytest.mark.parametrize("formulated", ["configuration", "allocation"])
def test_protos_come_back(formulated, kind, tmp_path):
    from ortools.sat.python import cp_model

    written = optsched.export(QUICKSTART, tmp_path / f"m{kind}", formulation=formulated)
    model = cp_model.CpModel()
    if kind == ".pb":
        from ortools.sat import cp_model_pb2

        proto = cp_model_pb2.CpModelProto()
        proto.ParseFromString((tmp_path / "m.pb").read_bytes())
        assert model.proto.parse_text_format(str(proto))
    else:
        assert model.proto.parse_text_format((tmp_path / "m.pbtxt").read_text())
    assert len(model.proto.variables) == written.columns
    found = cpsat.solve(model, RunContext(Limits(None, 1e-9)))
    built = formulation(formulated).forms["cpsat"](build_problem(QUICKSTART), DEFAULT)
    outcome = cpsat.solve(built.model, RunContext(Limits(None, 1e-9)))
    assert found.objective * written.factor == pytest.approx(outcome.objective * built.scale, rel=1e-9)
    assert found.objective == pytest.approx(optsched.solve(QUICKSTART, gap=1e-6).value, rel=1e-3)


def test_the_objective_of_what_is_to_be_least(tmp_path):
    spec = ObjectiveSpec(name="cost")
    required = tuple(msgspec.structs.replace(job, required=True) for job in QUICKSTART.jobs[:3])
    types = tuple(
        msgspec.structs.replace(gpu, hourly_price=2.0 + k) for k, gpu in enumerate(QUICKSTART.cluster.gpu_types)
    )
    cluster = msgspec.structs.replace(QUICKSTART.cluster, gpu_types=types)
    instance = msgspec.structs.replace(QUICKSTART, jobs=required, cluster=cluster)
    value = optsched.solve(instance, objective=spec, gap=1e-6).value
    assert value > 0
    for kind in (".mps", ".lp"):
        written = optsched.export(instance, tmp_path / f"m{kind}", formulation="configuration", objective=spec)
        assert READERS["HiGHS"](tmp_path / f"m{kind}") * written.factor == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("out", "options", "error", "words"),
    [
        ("m.txt", {}, optsched.InputError, [".mps", ".pbtxt"]),
        ("no/such/m.mps", {}, optsched.InputError, ["no/such/m.mps"]),
        ("m.mps", {"formulation": "magic"}, optsched.InputError, ["configuration", "magic"]),
        ("m.mps", {"formulation": "network"}, optsched.InputError, ["decides on counts"]),
        ("m.mps", {"objective": "speed"}, optsched.InputError, ["progress", "speed"]),
        ("m.mps", {"gap": -1.0}, optsched.InputError, ["gap"]),
        ("m.mps", {"options": ModelOptions("gray")}, optsched.InputError, ["encoding", "segments", "gray"]),
        ("m.mps", {"options": ModelOptions("auto", frozenset({"C2"}))}, optsched.InputError, ["C2", "left out"]),
    ],
)
def test_what_is_refused_leaves_nothing(out, options, error, words, tmp_path):
    with pytest.raises(error) as refused:
        optsched.export(QUICKSTART, tmp_path / out, **{"formulation": "allocation", **options})
    assert all(word in str(refused.value) for word in words), refused.value
    assert list(tmp_path.iterdir()) == []


def test_a_form_that_is_not_there(tmp_path):
    with pytest.raises(optsched.SolverError, match=r"\.mps, \.lp"):
        optsched.export(made(3, "network"), tmp_path / "m.pb", formulation="network")


def test_a_broken_write_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "m.mps"
    path.write_text("before")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        optsched.export(QUICKSTART, path, formulation="configuration")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["m.mps"]
