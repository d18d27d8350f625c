"""How good advice is: the true time of the advised configuration over that of the best, beside other ways to choose.

Of each model that is held out of a measured table, and each GPU type, three random rows are known, and all rows of the
other models. Candidates are random rows of the pair, or all of them; repeated rows of one configuration are one, by
their median. Regret is the measured time of the choice over the least measured time of the candidates, less 1. Since
the best of many noisy measurements is partly luck, a part of it cannot be avoided: the last row knows all rows of the
pair but the candidates.

Rivals: one GPU (its largest batch), all GPUs (the most GPUs, the largest batch), the fastest by our versions of
Pollux's and Optimus's models fitted to the same rows, and by the median that ``predict`` prints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import baselines
import numpy as np
from common import parser_of, show
from rich.table import Table

from optsched._util.arrays import FloatArray, IntArray
from optsched.advise.candidates import Candidates
from optsched.advise.choose import choose
from optsched.advise.evaluate import evaluate
from optsched.advise.known import known_on
from optsched.advise.work import Work
from optsched.prediction.curves.configurations import Points
from optsched.prediction.curves.fit import fit
from optsched.prediction.curves.fitted import CurveFile
from optsched.prediction.curves.measurements import Measurements, read_measurements

WAYS = ("one GPU", "all GPUs", "Pollux", "Optimus", "predict", "advise", "advise, all other rows known")


def distinct(data: Measurements, rows: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
    """Return one row of each configuration, the log of its median throughput, and the configuration of each row."""
    points = data.configured.points.take(rows)
    key = np.stack([points.nodes, points.gpus, points.crowding(), points.local_batch])
    _, first, group = np.unique(key, axis=1, return_index=True, return_inverse=True)
    rates = np.log(data.throughput[rows])
    middle = np.array([np.median(rates[group.ravel() == k]) for k in range(len(first))])
    return rows[first], middle, group.ravel()


def advised(curves: CurveFile, data: Measurements, model: str, rows: IntArray) -> int:
    """Return the candidate that is advised."""
    points, n = data.configured.points.take(rows), len(rows)
    types = tuple(data.configured.gpu_type[k] for k in rows.tolist())
    none = np.full(n, -1, dtype=np.int64)
    candidates = Candidates(points, none, (), types, ("",) * n, np.zeros(n, dtype=bool), np.full(n, np.nan))
    evaluated = evaluate(candidates, known_on(curves, model, types), Work())
    return choose(evaluated, points.gpus).row


def chosen(name: str, data: Measurements, own: IntArray, points: Points, curves: CurveFile, model: str) -> int:
    """Return the candidate that a rival chooses."""
    if name == "one GPU":
        return int(np.lexsort((points.local_batch, -points.gpus))[-1])
    if name == "all GPUs":
        return int(np.lexsort((points.local_batch, points.gpus))[-1])
    seen = data.configured.points.take(own)
    log_time = np.log(seen.examples() / data.throughput[own])
    if name == "predict":
        curve = next(f.curve for f in curves.curves if f.model == model)
        return int(np.argmax(curve.throughput(points)))
    fitted = getattr(baselines, f"{name.lower()}_fit")(seen, log_time)
    return int(np.argmin(getattr(baselines, f"{name.lower()}_log_time")(fitted, points) - np.log(points.examples())))


def regrets(data: Measurements, size: int | None, draws: int, pairs: int | None) -> dict[str, list[float]]:
    """Return the regrets of each way to choose, over pairs and draws; ``size``: candidates of each, None: all."""
    found: dict[str, list[float]] = defaultdict(list)
    for (model, _), own, rows, known in cases(data, draws, pairs):
        candidates, truth, group = distinct(data, rows)
        some = np.random.default_rng(len(found["advise"])).permutation(len(candidates))[:size]
        candidates, truth = candidates[some], truth[some]
        curves = fit(data.take(own), earlier=known, family="allreduce", cross_validate=False)
        curves = CurveFile(curves=tuple(f for f in curves.curves if f.model == model), population=curves.population)
        points = data.configured.points.take(candidates)
        for name in WAYS:
            if name == "advise":
                row = advised(curves, data, model, candidates)
            elif name.startswith("advise"):
                if size is None:
                    continue
                rest = rows[~np.isin(group, some)]
                more = fit(data.take(rest), earlier=known, family="allreduce", cross_validate=False)
                row = advised(more, data, model, candidates)
            else:
                row = chosen(name, data, own, points, curves, model)
            found[name].append(float(np.exp(truth.max() - truth[row])) - 1)
    return found


def cases(
    data: Measurements, draws: int, pairs: int | None
) -> Iterator[tuple[tuple[str, str], IntArray, IntArray, CurveFile]]:
    """Yield pairs, the three known rows, all rows, and the curves of the other models."""
    groups = {(m, g): rows for (m, g, _), rows in data.configured.groups().items()}
    known: dict[str, CurveFile] = {}
    for pair, rows in list(groups.items())[:pairs]:
        model = pair[0]
        if model not in known:
            others = np.concatenate([r for (m, _), r in groups.items() if m != model])
            known[model] = fit(data.take(others), family="allreduce", cross_validate=False)
        for draw in range(draws):
            own = np.random.default_rng(draw).permutation(rows)[:3]
            yield pair, own, rows, known[model]


def main() -> None:
    """Run the comparison and print it."""
    parser = parser_of(__doc__, quick="two pairs, one draw")
    parser.add_argument("--data", type=Path, required=True, help="folder with throughput.csv")
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    data = read_measurements(arguments.data / "throughput.csv")
    draws, pairs = (1, 2) if arguments.quick else (arguments.draws, None)
    tables = []
    for size in (20, 80, None):
        found = regrets(data, size, draws, pairs)
        title = f"{size or 'all'} candidates"
        table = Table("way to choose", "within 10 % of the best, %", "mean regret %", "90 % quantile", title=title)
        for name in (name for name in WAYS if found[name]):
            regret = 100 * np.array(found[name])
            within = 100 * float(np.mean(regret <= 10 + 1e-9))
            table.add_row(name, f"{within:.1f}", f"{regret.mean():.1f}", f"{np.quantile(regret, 0.9):.1f}")
        tables.append(table)
    show(f"{len(found['advise'])} cases each", *tables)


if __name__ == "__main__":
    main()
