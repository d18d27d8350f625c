"""Every encoding is the function: by interpolation, by brute force over coupled functions, by its envelope."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from optsched.errors import InputError
from optsched.problem.piecewise import ENCODINGS, Pieces, choose, encode
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel
from tests.support.builders import residuals
from tests.support.function_batches import CURVED, built, curves, grids, inside

METHODS = [*ENCODINGS, "auto"]
BARE = [e.name for e in ENCODINGS.values() if e.fits is ENCODINGS["hypograph"].fits]
"""Those for curvature that needs no binaries."""
SENSES = {"at-most": (1.0,), "at-least": (-1.0,), "equal": (1.0, -1.0)}


def batches(seed):
    """Return a batch of 1 to 9 pieces in one dimension, and one in two."""
    random = np.random.default_rng(seed)
    counts = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    one = curves(random, counts, [CURVED[(k + seed) % 3] for k in range(9)])
    sizes = [(1, 1), (1, 2), (2, 2), (3, 1), (4, 3)]
    return one, grids(random, sizes, [CURVED[(k + seed) % 3] for k in range(5)])


def fitting(seed, method, sense):
    """Return the functions that an encoding claims, in each batch where there are any."""
    parts = [b if method == "auto" else b.take(ENCODINGS[method].fits(b, sense)) for b in batches(seed)]
    found = [part for part in parts if part.functions]
    assert found
    return found


@pytest.mark.parametrize("sense", SENSES)
@pytest.mark.parametrize("method", METHODS)
def test_an_encoding_is_the_interpolation(method, sense):
    compared = 0
    for seed in range(3):
        random = np.random.default_rng(seed)
        for pieces in fitting(seed, method, sense):
            t = inside(random, pieces)
            for sign in SENSES[sense]:
                found = built(pieces, method, sense, argument=t, sign=sign, switch=seed > 0).extreme()
                np.testing.assert_allclose(found, pieces(t), rtol=1e-6, atol=1e-6)
                compared += pieces.functions
    assert compared >= 3


@pytest.mark.parametrize("sense", SENSES)
@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_is_off_takes_and_gives_nothing(method, sense):
    for pieces in fitting(7, method, sense):
        for sign in SENSES[sense]:
            for pull in (3.0, -3.0):
                off = built(pieces, method, sense, on=0.0, sign=sign, pull=pull)
                values = off.solved()
                np.testing.assert_allclose(values[off.value], 0.0, atol=1e-6)
                np.testing.assert_allclose(values[off.argument], 0.0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_no_argument_outside_the_box(method):
    for pieces in fitting(5, method, "at-most"):
        for pull, end in zip((-1e3, 1e3), pieces.box, strict=True):
            model = built(pieces, method, "at-most", pull=pull)
            np.testing.assert_allclose(model.solved()[model.argument], end, atol=1e-6)


def envelope(pieces, function, t):
    """Return the concave envelope of one function at a place, by weights of all its vertices."""
    own = pieces.of == function
    rows = np.vstack([pieces.at[own].T, np.ones(own.sum())])
    return -linprog(-pieces.value[own], A_eq=rows, b_eq=[*t, 1.0], bounds=(0, None)).fun


@pytest.mark.parametrize("method", METHODS)
def test_the_relaxation_is_the_concave_envelope(method):
    """All seven claim to be sharp; the switch takes part: at s = 1/2 the envelope's perspective is meant."""
    random = np.random.default_rng(11)
    for pieces in fitting(3, method, "at-most"):
        t = inside(random, pieces)
        expected = [envelope(pieces, k, t[k]) for k in range(pieces.functions)]
        assert method in BARE or np.any(expected > pieces(t) + 0.01)
        for on in (1.0, 0.5):
            found = built(pieces, method, "at-most", argument=on * t, on=on).extreme(relaxed=True)
            np.testing.assert_allclose(found, on * np.array(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sense", SENSES)
@pytest.mark.parametrize("method", METHODS)
def test_a_start_is_feasible(method, sense):
    for seed in range(3):
        random = np.random.default_rng(seed)
        for pieces in fitting(seed + 20, method, sense):
            model = LinearModel()
            s = model.add_variables("s", pieces.functions, upper=1.0, integer=True)
            t = model.add_variables("t", pieces.functions * pieces.dims, lower=-99).reshape(pieces.functions, -1)
            y = model.add_variables("y", pieces.functions, lower=-1e4)
            encoded = encode(model, "E", pieces, argument=t, value=y, switch=s, sense=sense, method=method)
            values = np.zeros(model.columns)
            values[s] = on = random.integers(0, 2, pieces.functions)
            values[t] = asked = inside(random, pieces) * on[:, None]
            encoded.fill(values)
            np.testing.assert_allclose(values[y], np.where(on, pieces(asked), 0.0))
            assert residuals(model, values) < 1e-9


def chosen_by_hand(pieces, capacity):
    """Return the best sum of functions at integer arguments within a capacity, by enumeration."""
    low, high = (end.astype(int) for end in pieces.box)
    places = [
        list(itertools.product(*(range(a, b + 1) for a, b in zip(*ends, strict=True))))
        for ends in zip(low.tolist(), high.tolist(), strict=True)
    ]
    best = 0.0  # all are off
    for choice in itertools.product(*([None, *own] for own in places)):
        total = sum(sum(place) for place in choice if place is not None)
        if total <= capacity:
            t = np.array([low[k] if place is None else place for k, place in enumerate(choice)], dtype=float)
            on = np.array([place is not None for place in choice])
            best = max(best, float(pieces(t)[on].sum()))
    return best


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dims", [1, 2])
def test_coupled_functions_by_brute_force(dims, seed):
    """Three functions of integer arguments share a capacity: all encodings find what enumeration finds."""
    random = np.random.default_rng(seed)
    shapes = ["concave", "neither", "convex"]
    if dims == 1:
        pieces = curves(random, random.integers(1, 5, 3), shapes, low=1.0)
    else:
        pieces = grids(random, [(1, 2), (2, 1), (2, 2)], shapes)
    capacity = int(pieces.box[1].sum() * 0.6)
    expected = chosen_by_hand(pieces, capacity)
    for method in METHODS:
        if method in BARE or (method, dims) == ("incremental", 2):
            continue
        model = LinearModel()
        s = model.add_variables("s", 3, upper=1.0, integer=True)
        t = model.add_variables("t", 3 * dims, lower=-99, integer=True).reshape(3, dims)
        y = model.add_variables("y", 3, lower=-1e4, cost=1.0)
        encode(model, "E", pieces, argument=t, value=y, switch=s, sense="at-most", method=method)
        model.add_rows("capacity", (0, t.ravel(), 1.0), upper=capacity, size=1)
        outcome = highs.solve(model, RunContext(Limits(gap=0.0)))
        assert outcome.objective == pytest.approx(expected, abs=1e-6), method


def test_a_mixed_batch_is_split():
    shapes = ["concave", "neither", "concave", "neither"]
    pieces = curves(np.random.default_rng(6), [6, 6, 2, 20], shapes)
    parts = {encoding.name: np.flatnonzero(which).tolist() for encoding, which, _ in choose(pieces, "at-most")}
    assert parts.pop("hypograph") == [0, 2]
    assert sorted(itertools.chain(*parts.values())) == [1, 3]
    encoded = built(pieces, "auto", "at-most").encoded
    assert encoded.notes[0] == "hypograph for 2 functions: concave, so that no binaries are needed"


def test_names_are_unique_and_say_the_function():
    for method in METHODS:
        for pieces in fitting(9, method, "at-most"):
            model = built(pieces, method, "at-most").model
            assert len(set(model.variable_names())) == model.columns
            names = model.row_names()
            assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("hypograph", 0),
        ("incremental", 8),
        ("multiple-choice", 9),
        ("convex-combination", 9),
        ("disaggregated", 9),
        ("logarithmic", 4),
        ("disaggregated-logarithmic", 4),
    ],
)
def test_binaries(method, count):
    pieces = curves(np.random.default_rng(8), [9], ["concave"])
    assert int(built(pieces, method, "at-most").model.integer.sum()) == count + 1


def test_binaries_of_triangles():
    pieces = grids(np.random.default_rng(8), [(4, 8)], ["neither"])
    binaries = {m: int(built(pieces, m, "at-most").model.integer.sum()) - 1 for m in ("logarithmic", "disaggregated")}
    assert binaries == {"logarithmic": 2 + 3 + 1, "disaggregated": 64}


def test_what_an_encoding_cannot_express_is_refused():
    pieces = curves(np.random.default_rng(9), [4], ["neither"])
    with pytest.raises(InputError, match="concave and maximized"):
        built(pieces, "hypograph", "at-most")
    with pytest.raises(InputError, match="has one argument"):
        built(grids(np.random.default_rng(9), [(1, 1)], ["concave"]), "incremental", "at-most")
    with pytest.raises(InputError, match="auto or one of hypograph, "):
        built(pieces, "sos2", "at-most")


def test_one_function_may_be_always_on():
    """Switches and the constant 1 side by side."""
    pieces = Pieces.curves(np.repeat([0, 1], 3), np.tile([1.0, 2, 4], 2), np.array([1.0, 5, 2, 1, 0, 6]))
    for method in METHODS:
        if method in BARE:
            continue
        model = LinearModel()
        s = model.add_variables("s", 1, upper=0.0, integer=True)
        t = model.add_variables("t", 2, upper=9.0)
        y = model.add_variables("y", 2, upper=9.0, cost=1.0)
        encode(model, "E", pieces, argument=t, value=y, switch=np.array([-1, s[0]]), sense="equal", method=method)
        outcome = highs.solve(model, RunContext(Limits(gap=0.0)))
        np.testing.assert_allclose(outcome.values[[*t, *y]], [2, 0, 5, 0], atol=1e-6)
