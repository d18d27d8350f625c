"""``optsched fit``, ``predict`` and ``suggest-measurements``: from measurements to curves, and what to measure next."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optsched.cli.options import AsJson, CurvesFile, Plot
from optsched.cli.output import print_json, print_table, say, writable
from optsched.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from optsched.prediction.curves.fitted import CurveFile

__all__ = ["fit", "predict", "suggest_measurements"]


def fit(
    measurements: Annotated[Path, typer.Argument(help="CSV table of measured throughputs.", metavar="MEASUREMENTS")],
    out: Annotated[Path, typer.Option(help="Write the curves here (optsched-curves/1).")],
    earlier: Annotated[
        Path | None, typer.Option(help="Curves fitted before: their lessons become the prior, and they are kept.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="allreduce, monotone or amdahl; default: by cross-validation.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--map", help="OURS=THEIRS: what a column is called in the table, e.g. gpu_type=GPU; repeatable."),
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> int:
    """Fit a throughput curve for each model and GPU type. Prints how well they fit."""
    from optsched._util.plotting import drawable
    from optsched.cli.progress import shown_steps
    from optsched.prediction.curves.fit import fit as fitted
    from optsched.prediction.curves.fitted import load_curves, save_curves
    from optsched.prediction.curves.measurements import read_measurements

    writable(out, measurements)  # what is fitted may follow on what was fitted before
    writable(plot, measurements, earlier, out)
    drawable(plot)
    before = None if earlier is None else load_curves(earlier)
    if _holds_plans(measurements):
        return _fit_language_models(measurements, out, before, as_json)
    if _holds_series(measurements):
        return _fit_series(measurements, out, before, as_json)
    with _in_our_names(measurements, names or [], before) as table:
        try:
            read = read_measurements(table)
        except InputError as error:
            raise error.within(file=str(measurements)) from None
    with shown_steps(quiet=as_json) as report:
        file = fitted(read, source=measurements.name, earlier=before, family=family, report=report)
    save_curves(file, out)
    if plot is not None:
        from optsched.prediction.curves.plot import plot as drawn

        drawn(file, read, plot)
    if as_json:
        columns = ("name", "rows", "error", "unseen_error", "choice")
        print_json([{k: getattr(c, k) for k in columns} for c in file.curves])
    else:
        _print_fits(file)
    return 0


@contextmanager
def _in_our_names(measurements: Path, names: Sequence[str], before: CurveFile | None) -> Iterator[Path]:
    """Yield a table with our names of columns and GPU types, and say what was taken for what."""
    from optsched._util.files import read_bytes
    from optsched.prediction.curves.columns import translated

    mapping = dict(name.partition("=")[::2] for name in names)
    known = () if before is None else tuple(fitted.gpu_type for fitted in before.curves)
    try:
        found = translated(read_bytes(measurements), mapping, known)
    except InputError as error:
        raise error.within(file=str(measurements)) from None
    for note in found.notes:
        say(f"note: {note}", error=True)
    if not found.notes:
        yield measurements
        return
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / measurements.name
        table.write_bytes(found.content)
        yield table


def _holds_plans(path: Path) -> bool:
    """Tell whether a table lists parallelism plans of language models."""
    from optsched.prediction.curves.measurements import read_table
    from optsched.prediction.language_models.plans import is_plan_table

    return is_plan_table(read_table(path, []).columns)


def _holds_series(path: Path) -> bool:
    """Tell whether a table lists systems and their minutes to quality."""
    from optsched.prediction.scaling_series import is_series_table
    from optsched.prediction.tables import read_text_table

    return is_series_table(read_text_table(path, []).columns)


def _fit_series(measurements: Path, out: Path, before: CurveFile | None, as_json: bool) -> int:
    """Fit minutes to quality, keep the curves fitted before, and print how well the largest systems are predicted."""
    from msgspec.structs import replace

    from optsched.cli.progress import shown_steps
    from optsched.prediction.curves.fitted import CurveFile, save_curves
    from optsched.prediction.scaling_series import NOT_VERIFIED, read_series
    from optsched.prediction.scaling_series import fit as fitted

    rows = read_series(measurements)
    with shown_steps(quiet=as_json) as report:
        series = fitted(rows, report)
    save_curves(replace(before or CurveFile(), source=measurements.name, scaling_series=series), out)
    if as_json:
        print_json({"rows": len(rows), "series": series.series, "unseen_error": series.unseen_error})
        return 0
    say(f"minutes to quality: {len(rows)} systems, {series.series} series of three sizes or more")
    if series.unseen_error is not None:
        say(f"the largest of each series, predicted from all others: median error {series.unseen_error:.1f} %")
    say(f"note: {NOT_VERIFIED}", error=True)
    return 0


def _predict_series(curves: Path, queries: Path, out: Path | None) -> int:
    """Add the predicted minutes to quality of systems, with their 80 % interval."""
    import polars as pl

    from optsched._util.tables import csv_bytes
    from optsched.prediction.curves.fitted import load_curves
    from optsched.prediction.scaling_series import NOT_VERIFIED, read_systems
    from optsched.prediction.scaling_series import predict as predicted

    series = load_curves(curves).scaling_series
    if series is None:
        raise InputError("a fit of minutes to quality (optsched fit of a table with them)", file=str(curves))
    table, systems = read_systems(queries)
    name = "predicted_minutes_to_quality"
    columns = zip(("", "_low", "_high"), predicted(series, systems), strict=True)
    added = [pl.Series(name + end, column) for end, column in columns]
    print_table(csv_bytes(table.frame().with_columns(added)), out)
    say(f"note: {NOT_VERIFIED}", error=True)
    return 0


def _fit_language_models(measurements: Path, out: Path, before: CurveFile | None, as_json: bool) -> int:
    """Fit iteration times over plans, keep the curves fitted before, and print how well the fit predicts."""
    from msgspec.structs import replace

    from optsched.cli.progress import shown_steps
    from optsched.prediction.curves.fitted import CurveFile, save_curves
    from optsched.prediction.language_models.fit import fit as fitted
    from optsched.prediction.language_models.train import read_measured

    plans, records, seconds = read_measured(measurements)
    with shown_steps(quiet=as_json) as report:
        models = fitted(plans, records, seconds, report)
    save_curves(replace(before or CurveFile(), source=measurements.name, language_models=models), out)
    summary = {"rows": len(plans), "error": models.error, "unseen_error": models.unseen_error}
    if as_json:
        print_json(summary)
        return 0
    unseen = "" if models.unseen_error is None else f"; of models held out in turn {models.unseen_error:.1f} %"
    say(f"language models: {len(plans)} plans of {len(set(plans.model.tolist()))} models")
    say(f"mean absolute percentage error of the iteration time {models.error:.1f} %{unseen}")
    return 0


def _predict_plans(curves: Path, queries: Path, out: Path | None) -> int:
    """Add the predicted iteration time of parallelism plans, with its 80 % interval."""
    import polars as pl

    from optsched._util.tables import csv_bytes
    from optsched.prediction.curves.fitted import load_curves
    from optsched.prediction.curves.measurements import read_table
    from optsched.prediction.language_models import predict as predicted
    from optsched.prediction.language_models import read_plans

    models = load_curves(curves).language_models
    if models is None:
        raise InputError("a fit of language models (optsched fit of a table with plans)", file=str(curves))
    table = read_table(queries, [])
    plans, _ = read_plans(table, str(queries))
    columns = predicted(models, plans)
    name = "predicted_iteration_s"
    added = [pl.Series(name + end, column) for end, column in zip(("", "_low", "_high"), columns, strict=True)]
    print_table(csv_bytes(table.with_columns(_rounded(added))), out)
    return 0


def _print_fits(file: CurveFile) -> None:
    """Print how well each curve fits its rows, and rows that it has not seen."""
    from optsched.cli.terminal import console, table

    page = table("curve", "family", "rows", "most GPUs", "MAPE %", "CV MAPE %", left=2)
    for f in file.curves:
        family = type(f.curve).__struct_config__.tag
        unseen = "" if f.unseen_error is None else f"{f.unseen_error:.1f}"
        page.add_row(f.name, str(family), str(f.rows), str(f.max_gpus), f"{f.error:.1f}", unseen)
    terminal = console()
    terminal.print(page)
    terminal.print("families: chosen by the error on rows held out in turn, where none was named (see the file)")
    terminal.print(
        "MAPE: mean absolute percentage error of the throughput; CV MAPE: cross-validated, on rows held out in turn"
    )


def predict(
    curves: CurvesFile,
    queries: Annotated[Path, typer.Argument(help="CSV table of configurations.", metavar="QUERIES")],
    out: Annotated[
        Path | None, typer.Option(help="Write the queries with the predictions here; default: print them.")
    ] = None,
    convergence: Annotated[
        Path | None, typer.Option(help="CSV table of earlier runs: adds efficiency and goodput.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="Metric to reach: adds examples and time to it.")] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Model whose metric is a loss; may be given again.")] = None,
) -> int:
    """Predict throughputs. Adds predicted_throughput_examples_s with _low and _high (80 %).

    Of a table of language models' plans: predicted_iteration_s with _low and _high. Of a table of systems (benchmark,
    platform, global_batch): predicted_minutes_to_quality with _low and _high.
    """
    import polars as pl

    from optsched._util.tables import csv_bytes
    from optsched.prediction.curves.fitted import load_curves
    from optsched.prediction.curves.measurements import read_configurations
    from optsched.prediction.curves.predict import predict as predicted

    writable(out, curves, queries, convergence)
    if _holds_plans(queries):
        return _predict_plans(curves, queries, out)
    if _holds_series(queries):
        return _predict_series(curves, queries, out)
    table, configured = read_configurations(queries)
    columns = predicted(load_curves(curves), configured, str(queries))
    name = "predicted_throughput_examples_s"
    added = [pl.Series(name + end, column) for end, column in zip(("", "_low", "_high"), columns, strict=True)]
    if convergence is not None:
        from optsched.prediction.convergence.predict import goodput_columns

        further = goodput_columns(convergence, configured, columns[0], target, loss or [])
        added += [pl.Series(header, column) for header, column in further.items()]
    elif target is not None or loss:
        raise InputError("--convergence, without which --target and --loss mean nothing", path="predict")
    print_table(csv_bytes(table.frame().with_columns(_rounded(added))), out)
    return 0


def _rounded(columns: Sequence[pl.Series]) -> list[pl.Series]:
    """Return columns of predictions with eight significant digits: more would only repeat rounding errors."""
    return [column.round_sig_figs(8) if column.dtype.is_float() else column for column in columns]


def suggest_measurements(
    curves: CurvesFile,
    model: Annotated[str, typer.Option(help="Model to measure; it may be new.")],
    gpu: Annotated[str, typer.Option(help="GPU type to measure it on; it may be new.")],
    budget: Annotated[int, typer.Option(help="Number of measurements.")] = 3,
    max_gpus: Annotated[int | None, typer.Option(help="Most GPUs of a measurement; default: as were measured.")] = None,
    cluster: Annotated[
        Path | None, typer.Option(help="Instance whose cluster the measurements must fit in (optsched/1).")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Name the measurements that help a prediction most."""
    from optsched.prediction.curves.experiment_design import profile_plan as planned
    from optsched.prediction.curves.fitted import load_curves

    file = load_curves(curves)
    known = sorted({fitted.gpu_type for fitted in file.curves})
    if gpu not in known:
        say(f"note: no curve of {curves} is on GPU type {gpu}; there are {', '.join(known)}", error=True)
    if cluster is not None:
        there = _gpus_of(cluster, gpu)
        max_gpus = there if max_gpus is None else min(there, max_gpus)
    plan = planned(file, model, gpu, budget, max_gpus)
    points = plan.points
    columns = (points.nodes, points.gpus, points.local_batch, plan.spread[1:])
    rows = [
        {"nodes": int(nodes), "gpus": int(gpus), "local_batch": batch, "spread_after": spread}
        for nodes, gpus, batch, spread in zip(*(column.tolist() for column in columns), strict=True)
    ]
    if as_json:
        print_json({"spread_before": float(plan.spread[0]), "measure": rows})
    else:
        _print_suggested(rows, float(plan.spread[0]))
    return 0


def _gpus_of(cluster: Path, gpu: str) -> int:
    """Return the most GPUs of a type that a job can have in a cluster; raise InputError where there are none."""
    from optsched import load
    from optsched.instance.pools import pools

    there: dict[str, int] = {}
    for pool in pools(load(cluster)):
        there[pool.gpu_type] = max(there.get(pool.gpu_type, 0), pool.capacity)
    if not there.get(gpu):
        raise InputError(f"a GPU type of {cluster}: {', '.join(there)}", path="--gpu", value=shown(gpu))
    return there[gpu]


def _print_suggested(rows: Sequence[dict[str, Any]], before: float) -> None:
    """Print what to measure, and how far each measurement would narrow the predictions."""
    from optsched.cli.terminal import console, table

    page = table("measure", "nodes", "GPUs", "local batch", "typical error after, %", left=1)
    for number, row in enumerate(rows, start=1):
        after = 100 * row["spread_after"]
        page.add_row(str(number), str(row["nodes"]), str(row["gpus"]), f"{row['local_batch']:g}", f"{after:.1f}")
    terminal = console()
    terminal.print(page)
    terminal.print(f"typical error now: {100 * before:.1f} % (standard deviation over all configurations)")
