"""Made instances keep what was learnt: their curves are those of the file, with correction and belief."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import optsched
from optsched.instance.generators.workload import generate
from optsched.prediction import Points, load_curves

CURVES = Path(__file__).parents[2] / "instances" / "curves.json"


def test_a_plan_has_the_throughput_that_the_curves_predict():
    file = load_curves(CURVES)
    known = {fitted.name: fitted.curve for fitted in file.curves}
    gpus = {"v100": 8} if any(fitted.gpu_type == "v100" for fitted in file.curves) else {file.curves[0].gpu_type: 8}
    made = generate(file, gpus=gpus, jobs=6, seed=1)
    assert all(curve == known[name] for name, curve in made.curves.items())
    jobs = {job.id: job for job in made.jobs}
    found = optsched.solve(made)
    assert found.allocations
    for a in found.allocations:
        points = Points.of(a.gpus, nodes=a.nodes, local_batch=a.local_batch, accumulation=a.accumulation)
        predicted = known[jobs[a.job].curves[a.gpu_type]].throughput(points)
        np.testing.assert_allclose(predicted, a.throughput, rtol=1e-9)
