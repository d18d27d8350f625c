"""Least core and nucleolus against another program, and Kohlberg's criterion against wrong payments."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from optsched.federation import UndefinedError, kohlberg, least_core, nucleolus, shapley
from tests.support.games import random_values

coopgame = pytest.importorskip("coopgame")


@pytest.mark.parametrize("seed", range(24))
def test_coopgame_agrees(seed):
    rng = random.Random(seed)
    n = rng.randint(2, 7)
    values = random_values(rng, n, together=seed % 2 == 0)
    pre = nucleolus(values, rational=False)
    assert list(pre.payments) == coopgame.nucleolus_exact(values[1:], "preimputation", "binary")["allocation"]
    assert kohlberg(values, pre.payments, rational=False)
    assert least_core(values).levels[0].excess == pre.levels[0].excess
    if sum(values[1 << i] for i in range(n)) > values[-1]:
        with pytest.raises(UndefinedError, match="alone"):
            nucleolus(values)
        return
    found = nucleolus(values).payments
    assert list(found) == coopgame.nucleolus_exact(values[1:], "imputation", "binary")["allocation"]
    assert kohlberg(values, found)
    other = [found[0] + Fraction(1, 7), found[1] - Fraction(1, 7), *found[2:]]
    assert not kohlberg(values, other)


@pytest.mark.parametrize("seed", range(6))
def test_coopgame_agrees_on_shapley_values(seed):
    rng = random.Random(seed)
    n = rng.randint(2, 8)
    values = random_values(rng, n, together=True)
    theirs = coopgame.shapley(coopgame.Game([float(v) for v in values[1:]]))
    assert [float(x) for x in shapley(values)] == pytest.approx(list(theirs), abs=1e-9)


def test_levels_prove_the_least_excess():
    rng = random.Random(5)
    values = random_values(rng, 5, together=True)
    found = least_core(values)
    weights = found.levels[0].weights
    covered = {sum(w for mask, w in weights.items() if mask >> i & 1) for i in range(5)}
    assert len(covered) == 1
    assert sum(weights.values()) == 1
    assert sum(w * values[mask] for mask, w in weights.items()) - covered.pop() * values[-1] == found.levels[0].excess


def test_a_single_member():
    values = [Fraction(0), Fraction(7)]
    assert nucleolus(values).payments == least_core(values).payments == shapley(values) == (7,)
