"""Convergence: batch sizes, the end of a run, its arrival at a target, early endings, staleness.

Each run is predicted from the model's other runs, and from what *other models* taught, beside Pollux's
gain, Optimus's curve, a power law and plain history (the other runs' mean), on the same cases.

    python benchmarks/accuracy.py --data DIR [--quick]

DIR holds ``curves.csv`` (as ``optsched.prediction.convergence.read_runs`` reads it; the metric of yolov3 is a loss)
and, for staleness, ``accuracy_workers.csv`` (gpu_type, n_ps, n_workers, run, step, accuracy).
``--quick`` takes fewer targets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import parser_of

from optsched._util.arrays import FloatArray
from optsched.prediction.convergence import fit_staleness, learn_staleness, read_runs
from optsched.prediction.convergence.batch_size import examples_by_gain, examples_needed, learn_batch_prior, odometer
from optsched.prediction.convergence.efficiency import repaired
from optsched.prediction.convergence.forecast import arrival, chance_by, forecast, learn_history
from optsched.prediction.convergence.power_law import OwnRule, optimus_curve, own_curve, power_curve
from optsched.prediction.convergence.runs import Run, examples_to, metric_at, progress_to
from optsched.prediction.curves.measurements import read_table

LOSSES = ("yolov3",)
Runs = Mapping[str, tuple[Run, ...]]


class Table:
    """Values by method and model; prints one line a method."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.values: dict[str, dict[str, list[float]]] = {}

    def add(self, method: str, model: str, value: float) -> None:
        self.values.setdefault(method, {}).setdefault(model, []).append(float(value))

    def show(self) -> None:
        models = list(next(iter(self.values.values())))
        print(f"\n## {self.title}\n| method | median | {' | '.join(models)} |\n|---|---|{'---|' * len(models)}")
        for method, by in self.values.items():
            means = [100 * float(np.mean(by[m])) for m in models]
            print(f"| {method} | {np.median(means):.2f} | {' | '.join(f'{v:.2f}' for v in means)} |")


def others_of(models: Runs, model: str) -> list[tuple[Run, ...]]:
    return [runs for name, runs in models.items() if name != model]


def batch_sizes(models: Runs, targets: int) -> None:
    """Examples to targets at each batch size, from the other batch sizes."""
    errors, bands = Table("examples to a target at another batch size, MAPE %"), Table("... inside the 80 % band, %")
    slowest = 0.0
    for model, raw in models.items():
        others = others_of(models, model)
        (fixed,) = repaired([raw], others)
        alone = learn_batch_prior(others)
        low, high = max(r.metric[0] for r in raw), min(r.metric.max() for r in raw)
        for i, run in enumerate(fixed):
            rest = [r for j, r in enumerate(fixed) if j != i]
            plain = [r for j, r in enumerate(raw) if j != i]
            prior, batch = learn_batch_prior([*others, rest]), np.array([run.batch])
            for target in np.minimum(low + np.linspace(0.4, 1.0, targets) * (high - low), high):
                true = examples_to(run, target)
                same = [examples_to(r, target) for r in rest]
                gains = [examples_by_gain(r, run.batch, target) for r in plain]
                for source, stay, by_gain in zip(rest, same, gains, strict=True):
                    one = examples_needed([source], batch, target, alone)
                    errors.add("one run: same examples", model, abs(stay / true - 1))
                    errors.add("one run: Pollux's gain", model, abs(by_gain / true - 1))
                    errors.add("one run: ours", model, abs(one.examples[0] / true - 1))
                    bands.add("one run", model, one.low[0] <= true <= one.high[0])
                start = time.perf_counter()
                got = examples_needed(rest, batch, target, prior)
                slowest = max(slowest, time.perf_counter() - start)
                errors.add("other batch sizes: same examples", model, abs(np.exp(np.mean(np.log(same))) / true - 1))
                errors.add("other batch sizes: Pollux's gain", model, abs(np.exp(np.mean(np.log(gains))) / true - 1))
                errors.add("other batch sizes: ours", model, abs(got.examples[0] / true - 1))
                bands.add("other batch sizes", model, got.low[0] <= true <= got.high[0])
    errors.show()
    bands.show()
    print(f"\nslowest prediction {1e3 * slowest:.1f} ms")


def ends(models: Runs, share: float, quantiles: tuple[float, ...]) -> None:
    """Final metric, arrival and early ending, from the first ``share`` of each run."""
    end = Table(f"final metric from {share:.0%} of the run, MAPE %")
    when = Table(f"progress to a target from {share:.0%} of the run, MAPE % (no arrival counts as the horizon)")
    took = Table(f"examples to a target from {share:.0%} of the run, MAPE %")
    bands = Table("inside the 80 % band, %")
    odds: list[tuple[float, float, float]] = []
    slowest = [0.0, 0.0]
    for model, raw in models.items():
        others = others_of(models, model)
        (runs,), learned = repaired([raw], others), learn_history(others)
        for run in runs:
            start, at, truth = run.until(share * run.now), run.progress[-1:], float(run.metric[-1])
            if len(start) < 2:
                continue
            rest = [r for r in runs if r is not run]
            clock = time.perf_counter()
            ours = forecast(start, at, rest, learned)
            slowest[0] = max(slowest[0], time.perf_counter() - clock)
            own = forecast(start, at, [], learned)
            plain = np.nanmean([metric_at(r, at)[0] for r in rest if r.now * 1.001 >= run.now])
            for method, value in {
                "last value": start.metric[-1],
                "Optimus's curve": optimus_curve(start, at)[0],
                "power law": power_curve(start, at)[0],
                "ours, no earlier runs": own.metric[0],
                "plain history": plain,
                "ours": ours.metric[0],
            }.items():
                end.add(method, model, abs(value / truth - 1))
            bands.add("end", model, ours.low[0] <= truth <= ours.high[0])
            bands.add("end, no earlier runs", model, own.low[0] <= truth <= own.high[0])
            best, top = start.metric.max(), run.metric.max()
            horizon = max(r.now for r in rest)
            for target in best + np.array(quantiles) * (top - best):
                true = progress_to(run, target)
                if not true > start.now:
                    continue
                clock = time.perf_counter()
                got = arrival(start, target, rest, learned)
                slowest[1] = max(slowest[1], time.perf_counter() - clock)
                ours_at = got.progress if np.isfinite(got.progress) else horizon
                guesses = {**crossings(start, target, rest, learned.own, horizon), "ours": ours_at}
                for method, value in guesses.items():
                    when.add(method, model, abs(value / true - 1))
                bands.add("arrival", model, got.low * 0.999 <= true <= got.high * 1.001)
                true_examples = np.interp(true, run.progress, run.examples)
                as_so_far = ours_at * start.examples[-1] / start.now
                took.add("same examples per progress as so far", model, abs(as_so_far / true_examples - 1))
                metered = odometer(rest, run.batch, start).examples(np.array([ours_at]))[0]
                took.add("ours", model, abs(metered / true_examples - 1))
            # targets and budgets known beforehand, from the other runs: some are not met
            typical = float(np.median([r.metric.max() for r in rest]))
            for q in (0.6, 0.9, 1.0, 1.05):
                target = best + q * (typical - best)
                budgets = np.array([b for b in (0.3, 0.5, 0.7, 1.0) if start.now < b * horizon <= run.now * 1.001])
                if target <= best or not len(budgets):
                    continue
                chances = chance_by(start, target, rest, learned, budgets * horizon)
                true = progress_to(run, target)
                for budget, chance in zip(budgets * horizon, chances, strict=True):
                    able = [r for r in rest if r.now >= budget * 0.999]
                    arrived = float(np.mean([progress_to(r, target) <= budget for r in able] or [0.0]))
                    odds.append((float(chance), arrived, float(true <= budget)))
    for table in (end, when, took, bands):
        table.show()
    reliability(odds)
    print(f"\nslowest forecast {1e3 * slowest[0]:.1f} ms, slowest arrival {1e3 * slowest[1]:.1f} ms")


def crossings(start: Run, target: float, rest: Sequence[Run], rule: OwnRule, horizon: float) -> dict[str, float]:
    """Return when a target is reached by each method that ours is compared with."""
    grid = np.geomspace(start.now, horizon, 400)

    def crossing(curve: FloatArray) -> float:
        return float(grid[int(np.argmax(curve >= target))]) if (curve >= target).any() else horizon

    seen = [p for p in (progress_to(r, target) for r in rest) if np.isfinite(p)]
    return {
        "Optimus's curve": crossing(optimus_curve(start, grid)),
        "power law": crossing(power_curve(start, grid)),
        "ours, no earlier runs": crossing(own_curve(start, grid, replace(rule, shrink=1.0))[0]),
        "plain history": max(float(np.mean(seen)), start.now) if seen else horizon,
    }


def reliability(odds: list[tuple[float, float, float]]) -> None:
    """Print how far the probability of arriving within a budget can be trusted."""
    chance, plain, truth = np.array(odds).T
    base = float(truth.mean())
    print(f"\n## chance of reaching a target within a budget: {len(odds)} cases, {100 * base:.0f} % do")
    print("| method | Brier score |\n|---|---|")
    for name, values in (
        ("always the base rate", np.full_like(truth, base)),
        ("plain history", plain),
        ("ours", chance),
    ):
        print(f"| {name} | {np.mean((values - truth) ** 2):.3f} |")
    print("\n| our chance | cases | arrived |\n|---|---|---|")
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.001)):
        here = (chance >= low) & (chance < high)
        if here.any():
            print(f"| {100 * low:.0f}-{min(100 * high, 100):.0f} % | {here.sum()} | {100 * truth[here].mean():.0f} % |")


def staleness(data: Path) -> None:
    """Steps to an accuracy and final error at 6 and 7 asynchronous workers, from 2, 3 and 4."""
    keys = ["gpu_type", "n_ps", "n_workers", "run"]
    table = read_table(data / "accuracy_workers.csv", [*keys, "step", "accuracy"])
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    for (gpu, servers, workers, _), rows in table.sort("step").group_by(keys, maintain_order=True):
        accuracy, step = rows["accuracy"].to_numpy(), rows["step"].to_numpy()
        best = np.maximum.accumulate(accuracy)
        values = {"final error": 1 - accuracy[-1]}
        for target in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88):
            i = int(np.searchsorted(best, target))
            if i < len(best):
                values[f"to {target}"] = float(np.interp(target, best[i - 1 : i + 1], step[i - 1 : i + 1]))
        for name, value in values.items():
            configurations = found.setdefault(name, {}).setdefault(f"{gpu}/{servers}", {})
            configurations.setdefault(int(workers), []).append(float(value))
    errors, bands = Table("staleness: 2-4 workers -> 6 and 7, MAPE %"), Table("... inside the 80 % band, %")
    exponents = []
    for name, by_group in found.items():
        average = np.mean if name == "final error" else np.median
        lines = {
            g: (np.array(sorted(by), dtype=float), np.array([average(by[n]) for n in sorted(by)]))
            for g, by in by_group.items()
        }
        for group, (w, v) in lines.items():
            few = w <= 4
            prior = learn_staleness([line for g, line in lines.items() if g != group])
            middle, low, high = fit_staleness(w[few], v[few], prior).predict(w[~few])
            own = np.exp(np.polyval(np.polyfit(np.log(w[few]), np.log(v[few]), 1), np.log(w[~few])))
            for method, guess in (("no staleness", v[few].mean()), ("own line", own), ("ours", middle)):
                for error in np.abs(np.broadcast_to(guess, middle.shape) / v[~few] - 1):
                    errors.add(method, name, error)
            for hit in (low <= v[~few]) & (v[~few] <= high):
                bands.add("inside", name, hit)
        whole = learn_staleness(list(lines.values()))
        exponents.append(f"{name} {whole.exponent:.2f} +- {whole.spread:.2f}")
    errors.show()
    bands.show()
    print(f"\nexponents of the workers: {', '.join(exponents)}")


def main() -> None:
    parser = parser_of(__doc__, quick="fewer targets")
    parser.add_argument("--data", type=Path, required=True, help="folder with the measured CSV files")
    asked = parser.parse_args()
    models = read_runs(asked.data / "curves.csv", smaller_is_better=LOSSES)
    batch_sizes(models, 2 if asked.quick else 8)
    for share in (0.25,) if asked.quick else (0.25, 0.5):
        ends(models, share, (0.4, 0.8) if asked.quick else (0.2, 0.4, 0.6, 0.8, 0.95))
    if (asked.data / "accuracy_workers.csv").exists():
        staleness(asked.data)


if __name__ == "__main__":
    main()
