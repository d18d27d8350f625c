"""Random batches of piecewise-linear functions, and tiny models around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optsched.problem.piecewise import Pieces, encode
from optsched.solvers import Limits, RunContext, highs
from optsched.solvers.linear import LinearModel

CURVED = ("concave", "convex", "neither")


def curves(random, counts, shapes, low=-3.0):
    """Draw functions of one argument with so many pieces each."""
    of, at, value = [], [], []
    for number, (pieces, shape) in enumerate(zip(counts, shapes, strict=True)):
        length = random.integers(1, 4, pieces).astype(float)
        slope = random.normal(0, 2, pieces)
        slope = {"concave": np.sort(slope)[::-1], "convex": np.sort(slope)}.get(shape, slope)
        of += [number] * (pieces + 1)
        at.append(low + np.concatenate([[0.0], np.cumsum(length)]) + random.integers(0, 5))
        value.append(random.normal(0, 3) + np.concatenate([[0.0], np.cumsum(slope * length)]))
    return Pieces.curves(np.array(of), np.concatenate(at), np.concatenate(value))


def grids(random, sizes, shapes):
    """Draw functions of two arguments on grids of so many cells each way."""
    of_x, at_x, of_y, at_y, value = [], [], [], [], []
    for number, ((wide, high), shape) in enumerate(zip(sizes, shapes, strict=True)):
        x = np.cumsum(random.integers(1, 3, wide + 1)).astype(float)
        y = np.cumsum(random.integers(1, 3, high + 1)).astype(float) - 2
        across, up = np.meshgrid(x, y, indexing="ij")
        bowl = (across - 3.3) ** 2 + (up - 0.7) ** 2
        tilt = random.normal() * across + random.normal() * up
        values = {"concave": tilt - bowl, "convex": tilt + bowl}.get(shape, random.normal(0, 3, across.shape))
        of_x += [number] * len(x)
        of_y += [number] * len(y)
        at_x.append(x)
        at_y.append(y)
        value.append(values.ravel())
    return Pieces.grids(
        np.array(of_x), np.concatenate(at_x), np.array(of_y), np.concatenate(at_y), np.concatenate(value)
    )


def inside(random, pieces):
    """Draw an argument of each function: a vertex, or a place in a random polytope; shape (functions, dims)."""
    argument = np.empty((pieces.functions, pieces.dims))
    for function in range(pieces.functions):
        corner = pieces.corner[random.choice(np.flatnonzero(pieces.owner == function))]
        weight = random.dirichlet(np.ones(len(corner))) if random.random() < 0.7 else np.eye(len(corner))[0]
        argument[function] = weight @ pieces.at[corner]
    return argument


@dataclass(frozen=True)
class Built:
    """A model of one batch: columns of the switches, the arguments and the values."""

    model: LinearModel
    switch: np.ndarray
    argument: np.ndarray
    value: np.ndarray
    encoded: object

    def solved(self, relaxed=False):
        """Solve; return the values of all columns, None where there is no point."""
        return highs.solve(self.model, RunContext(Limits(gap=0.0)), relaxed=relaxed).values

    def extreme(self, relaxed=False):
        """Solve; return the values of y, None where there is no point."""
        values = self.solved(relaxed)
        return None if values is None else values[self.value]


def built(pieces, method, sense, argument=None, on=1.0, switch=True, sign=1.0, span=1e4, pull=0.0):
    """Return a model that maximizes sign * sum y + pull * sum t, with arguments fixed, or free where None."""
    model = LinearModel()
    s = model.add_variables("s", pieces.functions, lower=on, upper=on, integer=True)
    low, high = (-span, span) if argument is None else (argument.ravel(), argument.ravel())
    t = model.add_variables("t", pieces.functions * pieces.dims, lower=low, upper=high, cost=pull)
    t = t.reshape(pieces.functions, pieces.dims)
    y = model.add_variables("y", pieces.functions, lower=-span, upper=span, cost=sign)
    encoded = encode(model, "E", pieces, argument=t, value=y, switch=s if switch else None, sense=sense, method=method)
    return Built(model, s, t, y, encoded)
