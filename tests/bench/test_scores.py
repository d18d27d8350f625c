"""Means, integrals, profiles and verdicts, by hand."""

from __future__ import annotations

import math

import pytest

from optsched.bench.compare import compare
from optsched.bench.scores import best_values, geometric_mean, judged, latest, primal_integral, profile, scores
from tests.support.bench_rows import row


def test_shifted_geometric_mean() -> None:
    """Of 0, 2 and 26 s with a shift of 1 s: the cube root of 1 x 3 x 27, less 1."""
    assert geometric_mean([0.0, 2.0, 26.0], 1.0) == pytest.approx(81 ** (1 / 3) - 1)
    assert math.isnan(geometric_mean([], 1.0))


@pytest.mark.parametrize(
    ("trace", "best", "sense", "area"),
    [
        (((0.0, 10.0, None),), 10.0, "most", 0.0),
        (((2.0, 5.0, None), (4.0, 10.0, None)), 10.0, "most", 2 + 2 * 0.5),
        (((2.0, 20.0, None), (4.0, 10.0, None)), 10.0, "least", 2 + 2 * 0.5),
        (((2.0, 11.0, None),), 10.0, "most", 2.0),
        (((3.0, None, 12.0),), 10.0, "most", 10.0),
        (((1.0, -5.0, None),), 10.0, "most", 10.0),
        (((12.0, 10.0, None),), 10.0, "most", 10.0),
    ],
    ids=["at once", "two plans", "less is better", "over-estimate", "bound only", "other sign", "too late"],
)
def test_primal_integral(
    trace: tuple[tuple[float, float | None, float | None], ...], best: float, sense: str, area: float
) -> None:
    assert primal_integral(row(trace=trace, sense=sense), best, 10.0) == pytest.approx(area)


def test_profile() -> None:
    """The first proves both cases in 1 and 4 s, the second one of them in 2 s."""
    runs = judged(
        [
            row("one", "i", total_s=1.0),
            row("one", "k", total_s=4.0),
            row("two", "i", total_s=2.0),
            row("two", "k", claimed_status="feasible", verified_gap=0.5, total_s=10.0),
            row("two", "n", outcome="unsupported"),
        ]
    )
    found = {method.formulation: [part.tolist() for part in curve] for method, curve in profile(runs).items()}
    assert found == {"one": [[1.0, 1.0], [0.5, 1.0]], "two": [[2.0], [0.5]]}


def test_what_does_not_end_counts_at_the_limit() -> None:
    rows = [
        row("slow", total_s=3.0, claimed_status="feasible", verified_gap=0.5),
        row("fast"),
        row("gone", outcome="failed", total_s=None, verified_status="", claimed_status="", trace=()),
    ]
    found = {score.method.formulation: score for score in scores(rows, judged(rows), 1.0)}
    assert [found[name].time_s for name in ("fast", "slow", "gone")] == pytest.approx([1.0, 10.0, 10.0])
    assert [found[name].proven for name in ("fast", "slow", "gone")] == [1, 0, 0]
    assert [found[name].reached for name in ("fast", "slow", "gone")] == [1, 1, 0]
    assert (found["gone"].failed, found["slow"].to_best) == (1, pytest.approx(11 / 2))


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"claimed_bound": 9.0, "claimed_objective": 9.0, "verified_objective": 9.0}, "the bound 9 is claimed"),
        (
            {"claimed_status": "infeasible", "verified_status": "none", "verified_objective": None},
            "is called infeasible",
        ),
        ({"verified_status": "violated", "violations": "capacity"}, "breaks rules: capacity"),
        ({"disbelieved": "HiGHS claims the bound 9: not believed", "claimed_bound": None}, "claims the bound 9"),
        ({"claimed_bound": 10.0, "sense": "least", "verified_objective": 12.0, "fingerprint": "m"}, ""),
    ],
    ids=["bound", "infeasible", "rules", "disbelieved", "least"],
)
def test_claims_that_others_refute(claim: dict[str, object], says: str) -> None:
    liar = judged([row("honest"), row("liar", **claim)])[1]
    assert says in liar.refuted
    assert bool(liar.refuted) == bool(says)
    assert not liar.proven or not says


def test_costs_are_refuted_the_other_way_round() -> None:
    runs = judged(
        [row("honest", sense="least"), row("liar", sense="least", claimed_bound=12.0, verified_objective=12.0)]
    )
    assert [bool(run.refuted) for run in runs] == [False, True]
    assert best_values([run.row for run in runs]) == {("i", "progress"): 10.0}


def test_the_last_run_counts() -> None:
    first, second = row(timestamp="2026-01-01"), row(timestamp="2026-01-02", total_s=2.0)
    assert latest([first, second]) == latest([second, first]) == [second]


def test_comparison() -> None:
    before = [row("a"), row("b"), row("c"), row("d"), row("e"), row("f", "gone")]
    after = [
        row("a", total_s=1.1),
        row("b", total_s=9.0),
        row("c", total_s=0.0),
        row("d", verified_objective=9.0, claimed_objective=9.0, claimed_bound=10.0, verified_gap=0.11),
        row("e", claimed_status="feasible", claimed_bound=11.0, verified_gap=0.1, total_s=9.9),
        row("g"),
    ]
    found = compare(judged(before), judged(after), threshold=1.5, shift=1.0)
    pairs = {pair.method.formulation: pair for pair in found.pairs}
    assert set(pairs) == set("abcde")
    assert (found.only_before, found.only_after) == (1, 1)
    assert [pairs[name].verdict for name in "abc"] == ["same", "slower", "faster"]
    assert pairs["b"].ratio == pytest.approx(5.0)
    assert pairs["c"].ratio == pytest.approx(0.5)
    assert {pair.method.formulation for pair in found.regressions} == {"b", "d", "e"}
    assert "no longer proven" in pairs["d"].worse
    same = compare(judged(before), judged(before), threshold=1.5, shift=1.0)
    assert (same.ratio, same.regressions) == (pytest.approx(1.0), ())


def test_medians_over_seeds() -> None:
    before = [row(seed=seed) for seed in range(3)]
    after = [row(seed=seed, total_s=seconds) for seed, seconds in enumerate((1.0, 1.0, 9.0))]
    (pair,) = compare(judged(before), judged(after), threshold=1.5, shift=1.0).pairs
    assert (pair.seeds, pair.ratio, pair.worse) == (3, 1.0, "")
