"""Language models: architectures, memory, the formula, and what a fit learns from plans with known times."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from optsched.errors import InputError
from optsched.prediction.language_models import architecture_of, fit, memory_gb, predict
from optsched.prediction.language_models.coefficients import design
from optsched.prediction.language_models.enumerate import every_plan, rank, refused
from optsched.prediction.language_models.formula import jacobian, log_seconds
from optsched.prediction.language_models.hardware import gpu_of, precision_of
from optsched.prediction.language_models.plans import plans_of
from optsched.prediction.language_models.terms import terms_of
from optsched.prediction.language_models.train import read_measured, train


def record(**changes):
    """Return a plan of 64 A100s for GPT of 3.6 billion parameters."""
    plan = {
        "source": "made",
        "gpu_type": "a100-80",
        "gpus": 64.0,
        "layers": 30.0,
        "hidden": 3072.0,
        "heads": 32.0,
        "seq": 2048.0,
        "global_batch": 512.0,
        "micro_batch": 4.0,
        "precision": "bf16",
        "zero": 0.0,
    }
    return plan | changes


def grid():
    """Return plans of two widths over tensor and pipeline degrees and micro-batches."""
    return [
        record(hidden=hidden, heads=hidden / 64, tensor=t, pipeline=p, micro_batch=b)
        for hidden in (2048.0, 4096.0)
        for t in (1.0, 2.0, 4.0, 8.0)
        for p in (1.0, 2.0)
        for b in (1.0, 2.0, 4.0)
    ]


def made(records, noise=0.0, seed=0):
    """Return the times of plans by the formula with coefficients off their prior medians."""
    plans = plans_of(records)
    on = design(plans)
    parameters = on.center.copy()
    parameters[:6] += np.array([0.3, -0.4, 0.5, 0.2, -0.3, 0.4])
    errors = np.random.default_rng(seed).normal(0, noise, len(plans)) if noise else 0.0
    return np.exp(log_seconds(parameters, terms_of(plans), on) + errors)


@pytest.mark.parametrize(
    ("name", "billions", "active"),
    [
        ("gpt3-175b", 174.6, 174.6),
        ("Llama-3.1-8B-Instruct", 7.5, 7.5),  # 8.03 with the second embedding
        ("LLAMA3_70B", 69.5, 69.5),
        ("Llama 3.1 405B", 403.8, 403.8),
        ("mixtral-8x7b", 46.6, 12.8),
        ("DeepSeek-V3 (w/o MTP)", 671, 37),
        ("Qwen3_235B_a22B", 235, 22),
        ("GPT OSS 120B", 116, 5.1),
        ("Kimi_K2", 1030, 32),
        ("Nemotron_3_Nano", 31.6, 3.2),
    ],
)
def test_architectures_have_their_published_sizes(name, billions, active):
    found = architecture_of(name)
    assert found is not None
    # latent attention is counted as plain heads, and mixers roughly
    assert found.parameters / 1e9 == pytest.approx(billions, rel=0.06)
    assert found.active_parameters / 1e9 == pytest.approx(active, rel=0.7 if "eep" in name or "Kimi" in name else 0.2)


def test_a_number_of_parameters_is_enough_for_a_dense_architecture():
    found = architecture_of("mine", parameters=6.7e9)
    assert found is not None
    assert found.parameters == pytest.approx(6.7e9, rel=0.05)
    assert (found.layers, found.hidden) == (32, 4096)


def test_a_name_without_numbers_is_no_architecture():
    assert architecture_of("mine") is None


@pytest.mark.parametrize(
    ("spelled", "name"),
    [("NVIDIA A100-SXM4-80GB", "a100-80"), ("a100_40gb", "a100-40"), ("H100", "h100"), ("Tesla V100", "v100")],
)
def test_gpu_types_are_found_however_they_are_spelled(spelled, name):
    assert gpu_of(spelled)[0] == name


def test_precisions_are_families_of_bits():
    assert [precision_of(text) for text in ("amp_bf16", "FP8-CS", "MXFP8", "NVFP4")] == ["16", "8", "8", "4"]


@pytest.mark.parametrize(("stage", "gb"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.875)])
def test_states_take_the_memory_of_the_paper(stage, gb):
    # Rajbhandari et al., SC20, figure 1 (1.9 there): 7.5 billion parameters on 64 GPUs
    plans = plans_of([record(layers=36.0, hidden=4096.0, global_batch=64.0, micro_batch=1.0, zero=float(stage))])
    memory = memory_gb(plans)
    billions = plans.architectures[0].parameters / 1e9
    states = memory.parameters + memory.gradients + memory.optimizer
    assert states[0] * 7.5 / billions == pytest.approx(gb, rel=0.01)


def test_recomputation_and_pipelines_change_the_activations():
    plain, recomputed, piped = memory_gb(
        plans_of([record(), record(checkpointing="true"), record(pipeline=2.0, gpus=128.0)])
    ).activations
    assert recomputed < plain / 5
    # two stages of half the layers, two micro-batches in flight; the output layer is on the last stage
    assert piped == pytest.approx(plain - 6 * 4 * 2048 * 51_200 / 1e9, rel=1e-6)


def test_derivatives_are_those_of_the_formula():
    plans = plans_of(grid()[:6])
    on, terms = design(plans), terms_of(plans)
    base, slope = jacobian(on.center, terms, on)
    direction = np.random.default_rng(3).normal(size=len(on.center)) * 1e-3
    moved = log_seconds(on.center + direction * on.deviation, terms, on)
    np.testing.assert_allclose(moved - base, slope @ direction, atol=1e-4)


def test_more_micro_batches_of_a_pipeline_waste_less():
    plans = plans_of([record(pipeline=8.0, global_batch=float(b), micro_batch=1.0) for b in (64, 512)])
    on = design(plans)
    seconds = np.exp(log_seconds(on.center, terms_of(plans), on))
    assert seconds[1] < 8 * seconds[0] / 1.5


def test_a_fit_predicts_plans_that_it_has_not_seen():
    records = grid()
    seconds = made(records, noise=0.01)
    held = np.arange(len(records)) % 4 == 1
    known = train(
        plans_of([r for r, h in zip(records, held, strict=True) if not h]),
        [r for r, h in zip(records, held, strict=True) if not h],
        seconds[~held],
    )
    middle, low, high = predict(known, plans_of([r for r, h in zip(records, held, strict=True) if h]))
    assert np.mean(np.abs(middle / seconds[held] - 1)) < 0.04
    assert np.all((low < middle) & (middle < high))
    assert np.mean((low <= seconds[held]) & (seconds[held] <= high)) >= 0.7


def test_intervals_widen_away_from_what_was_measured():
    records = grid()
    known = train(plans_of(records), records, made(records, noise=0.01))
    near, far = plans_of([record(hidden=2048.0, heads=32.0)]), plans_of([record(model="deepseek-v3", gpu_type="gb300")])
    _, near_low, near_high = predict(known, near)
    _, far_low, far_high = predict(known, far)
    assert far_high[0] / far_low[0] > 1.5 * near_high[0] / near_low[0]


def test_an_outlier_moves_the_fit_little():
    records = grid()
    seconds = made(records, noise=0.01)
    spoiled = seconds.copy()
    spoiled[7] *= 3
    clean, robust = (predict(train(plans_of(records), records, s), plans_of(records))[0] for s in (seconds, spoiled))
    others = np.arange(len(records)) != 7
    assert np.max(np.abs(robust[others] / clean[others] - 1)) < 0.1


def test_a_fit_is_deterministic_and_calibrated():
    records = grid()
    plans, seconds = plans_of(records), made(records, noise=0.02)
    first, second = fit(plans, records, seconds), fit(plans, records, seconds)
    assert first == second
    assert first.error < 5
    assert first.unseen_error is not None
    assert 0.5 <= first.stretch <= 2


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_the_command_fits_and_predicts_tables_of_plans(run, tmp_path):
    records = grid()
    rows = [r | {"iteration_s": s} for r, s in zip(records, made(records).tolist(), strict=True)]
    write(tmp_path / "plans.csv", rows)
    write(tmp_path / "asked.csv", records[:3])
    assert run("fit", tmp_path / "plans.csv", "--out", tmp_path / "curves.json").returncode == 0
    done = run("predict", tmp_path / "curves.json", tmp_path / "asked.csv", "--out", tmp_path / "predicted.csv")
    assert done.returncode == 0
    with (tmp_path / "predicted.csv").open() as file:
        predicted = list(csv.DictReader(file))
    for row, truth in zip(predicted, rows, strict=False):
        low, middle, high = (float(row[f"predicted_iteration_s{end}"]) for end in ("_low", "", "_high"))
        assert low < middle < high
        assert middle == pytest.approx(truth["iteration_s"], rel=0.1)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"gpu_type": "abacus"}, "line 2, column gpu_type"),
        ({"gpus": 60.0, "tensor": 8.0}, "line 2, column gpus"),
        ({"global_batch": 100.0}, "line 2, column global_batch"),
        ({"tensor": 0.5}, "line 2, column tensor"),
        ({"micro_batch": "many"}, "line 2, column micro_batch"),
        ({"layers": "", "hidden": ""}, "line 2, column model"),
        ({"checkpointing": "perhaps"}, "line 2, column checkpointing"),
        ({"iteration_s": ""}, "line 2"),
    ],
)
def test_faulty_plans_are_refused_with_their_place(tmp_path, changes, where):
    write(tmp_path / "plans.csv", [record(iteration_s=5.0) | changes])
    with pytest.raises(InputError) as refused:
        read_measured(tmp_path / "plans.csv")
    assert where in str(refused.value)


def test_every_plan_divides_what_it_must():
    base = {"model": "llama3-8b", "gpu_type": "a100-80", "gpus": 16.0, "seq": 8192.0, "global_batch": 128.0}
    records = every_plan(base | {"gpus_per_node": 4.0})
    plans = plans_of(records)
    assert set(plans.tensor.tolist()) == {1, 2, 4}
    assert np.all(plans.tensor * plans.pipeline * plans.data == 16)
    assert np.all(32 % plans.pipeline == 0)
    passes = plans.global_batch / (plans.data * plans.micro_batch)
    assert np.all(passes == np.rint(passes))
    keys = {tuple(sorted(r.items())) for r in records}
    assert len(keys) == len(records)


def test_plans_are_ranked_among_those_that_fit():
    records = grid()
    models = train(plans_of(records), records, made(records))
    base = {"model": "llama3-8b", "gpu_type": "a100-80", "gpus": 16.0, "seq": 8192.0, "global_batch": 128.0}
    ranked = rank(models, base)
    assert 0 < len(ranked.plans) < len(every_plan(base))
    assert np.all(np.diff(ranked.seconds) >= 0)
    assert np.all(ranked.memory.total <= 80)
    assert np.all((ranked.low < ranked.seconds) & (ranked.seconds < ranked.high))
    # 405 billion parameters fit no two GPUs
    assert len(rank(models, base | {"model": "llama3-405b", "gpus": 2.0}).plans) == 0


def test_a_plan_that_does_not_fit_says_what_would():
    plan = record(model="llama3-8b", zero=0.0, micro_batch=1.0, seq=4096.0)
    assert refused(plan) == "does not fit: 143 of 80 GB; with ZeRO 1: 55"
    assert refused(plan | {"zero": 1.0}) == ""
