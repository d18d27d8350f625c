"""A batch of continuous piecewise-linear functions, as polytopes with vertices, in one or two dimensions.

In one dimension the polytopes are segments; in two, the triangles of a grid divided like the union
jack (Todd's J1, 1977; Vielma and Nemhauser, Math. Prog. 128, 2011, fig. 3): neighbouring cells are
mirror images, so that one bit in addition to the cell's position tells the triangle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optsched._util.arrays import FloatArray, IntArray, members, offsets

__all__ = ["Pieces"]

_FLAT = 1e-12
"""Relative to the largest value of a function: a bend that is none."""


@dataclass(frozen=True)
class Pieces:
    """Functions, each linear on every polytope of a division of its box; made by ``curves`` and ``grids``.

    functions
        Their number.
    of, at, value
        Function, place and value of each vertex: shapes ``(vertices,)``, ``(vertices, dims)``, ``(vertices,)``.
    corner
        Vertices of each polytope, a simplex: shape ``(polytopes, dims + 1)``.
    cell
        Number of each polytope's cell along each axis: shape ``(polytopes, dims)``.
    side
        Which triangle of its cell a polytope is, 0 or 1 (0 in one dimension): shape ``(polytopes,)``.
    """

    functions: int
    of: IntArray
    at: FloatArray
    value: FloatArray
    corner: IntArray
    cell: IntArray
    side: IntArray

    @staticmethod
    def curves(of: IntArray, at: FloatArray, value: FloatArray) -> Pieces:
        """Return functions of one argument from their breakpoints.

        Parameters
        ----------
        of
            Function of each breakpoint, 0, 1, ... in order; shape ``(n,)``.
        at, value
            Place, increasing within a function, and value there; shape ``(n,)`` each.

        Raises
        ------
        ValueError
            For a function of fewer than two breakpoints, or breakpoints out of order.
        """
        of, at, value = np.asarray(of, dtype=np.int64), np.asarray(at, np.float64), np.asarray(value, np.float64)
        count = np.bincount(of)
        if np.any(count < 2) or np.any(np.diff(of) < 0):
            raise ValueError("every function needs at least two breakpoints, in the order of the functions")
        left = np.flatnonzero(np.diff(of) == 0)
        if np.any(at[left + 1] <= at[left]):
            raise ValueError("the breakpoints of a function increase")
        _, cell = members(count - 1)
        corner = np.column_stack([left, left + 1])
        return Pieces(len(count), of, at[:, None], value, corner, cell[:, None], np.zeros(len(left), dtype=np.int64))

    @staticmethod
    def grids(of_x: IntArray, at_x: FloatArray, of_y: IntArray, at_y: FloatArray, value: FloatArray) -> Pieces:
        """Return functions of two arguments from their values on grids.

        Parameters
        ----------
        of_x, at_x, of_y, at_y
            Function and place of each line of the grids across each axis, as in ``curves``.
        value
            At each crossing, function by function, those of one ``x`` after another.

        Raises
        ------
        ValueError
            For a grid of fewer than two lines an axis, lines out of order, or too few values.
        """
        axes = [Pieces.curves(*axis, np.zeros(len(axis[0]))) for axis in ((of_x, at_x), (of_y, at_y))]
        (wide, high), value = (np.bincount(axis.of) for axis in axes), np.asarray(value, dtype=np.float64)
        if len(wide) != len(high) or len(value) != int(wide @ high):
            raise ValueError("a grid has a value at every crossing")
        of, k = members(wide * high)
        x, y = offsets(wide)[of], offsets(high)[of]  # first line of the function
        at = np.column_stack([axes[0].at[x + k // high[of], 0], axes[1].at[y + k % high[of], 0]])
        corner, cell = _union_jack(wide, high)
        side = np.tile([0, 1], len(cell) // 2)
        return Pieces(len(wide), of, at, value, corner, cell, side)

    @property
    def dims(self) -> int:
        """Number of arguments."""
        return int(self.at.shape[1])

    @cached_property
    def owner(self) -> IntArray:
        """Function of each polytope, shape ``(polytopes,)``."""
        return self.of[self.corner[:, 0]]

    @cached_property
    def count(self) -> IntArray:
        """Number of polytopes of each function, shape ``(functions,)``."""
        return np.bincount(self.owner, minlength=self.functions)

    @cached_property
    def cells(self) -> IntArray:
        """Number of cells of each function along each axis, shape ``(functions, dims)``."""
        most = np.zeros((self.functions, self.dims), dtype=np.int64)
        np.maximum.at(most, self.owner, self.cell + 1)
        return most

    @cached_property
    def box(self) -> tuple[FloatArray, FloatArray]:
        """Least and greatest argument of each function, shape ``(functions, dims)`` each."""
        low, high = np.full((self.functions, self.dims), np.inf), np.full((self.functions, self.dims), -np.inf)
        np.minimum.at(low, self.of, self.at)
        np.maximum.at(high, self.of, self.at)
        return low, high

    @cached_property
    def barycentric(self) -> FloatArray:
        """For each polytope the matrix from ``(t, 1)`` to the weights of its corners.

        Shape ``(polytopes, dims + 1, dims + 1)``; the weights are >= 0 where ``t`` lies in the polytope.
        """
        corners = np.concatenate([self.at[self.corner], np.ones((*self.corner.shape, 1))], axis=2)
        inverse: FloatArray = np.linalg.inv(corners.transpose(0, 2, 1))
        return inverse

    @cached_property
    def affine(self) -> FloatArray:
        """Gradient and level of the function on each polytope, shape ``(polytopes, dims + 1)``."""
        corner = self.value[self.corner]
        # the level is taken at a corner, so that no error of the gradient is carried to the origin and back
        slope = np.linalg.solve(
            self.at[self.corner[:, 1:]] - self.at[self.corner[:, :1]], (corner[:, 1:] - corner[:, :1])[..., None]
        )[..., 0]
        return np.column_stack([slope, corner[:, 0] - np.sum(slope * self.at[self.corner[:, 0]], axis=1)])

    @cached_property
    def _bends(self) -> tuple[FloatArray, IntArray]:
        """At each facet between two polytopes, how far the function bends up, and whose facet it is.

        A function on a convex box is concave where it bends up at no facet.
        """
        polytopes, size = self.corner.shape
        opposite = np.tile(np.arange(size), polytopes)
        polytope = np.repeat(np.arange(polytopes), size)
        rest = np.sort(self.corner, axis=1)[:, None, :].repeat(size, axis=1).reshape(-1, size)
        apex = self.corner[polytope, opposite]
        facet = rest[rest != apex[:, None]].reshape(-1, size - 1)
        order = np.lexsort(facet.T[::-1])
        facet, polytope, apex = facet[order], polytope[order], apex[order]
        pair = np.flatnonzero(np.all(facet[1:] == facet[:-1], axis=1))
        one, other = polytope[pair], apex[pair + 1]
        flat = np.sum(self.affine[one, :-1] * self.at[other], axis=1) + self.affine[one, -1]
        return self.value[other] - flat, self.owner[one]

    def _bent(self, sign: float) -> NDArray[np.bool_]:
        bend, function = self._bends
        large = np.zeros(self.functions)
        np.maximum.at(large, self.of, np.abs(self.value))
        bent = np.zeros(self.functions, dtype=bool)
        bent[function[sign * bend > _FLAT * large[function]]] = True
        return bent

    @cached_property
    def concave(self) -> NDArray[np.bool_]:
        """Whether each function is concave, shape ``(functions,)``; a bend below rounding counts as none."""
        return ~self._bent(1.0)

    @cached_property
    def convex(self) -> NDArray[np.bool_]:
        """Whether each function is convex, shape ``(functions,)``."""
        return ~self._bent(-1.0)

    def located(self, argument: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return the polytope that holds each function's argument, and the weights of its corners there.

        Parameters
        ----------
        argument
            Shape ``(functions, dims)``; one outside the box is taken to lie in the polytope next to it.
        """
        asked = np.column_stack([argument, np.ones(self.functions)])[self.owner]
        weight = np.einsum("pij,pj->pi", self.barycentric, asked)
        inside = weight.min(axis=1)
        order = np.lexsort((-inside, self.owner))
        best = order[offsets(self.count)[:-1]]
        return best, weight[best]

    def __call__(self, argument: FloatArray) -> FloatArray:
        """Return each function's value at its own argument; shapes ``(functions, dims)`` to ``(functions,)``."""
        polytope, weight = self.located(argument)
        value: FloatArray = np.sum(weight * self.value[self.corner[polytope]], axis=1)
        return value

    def take(self, which: NDArray[np.bool_]) -> Pieces:
        """Return the named functions only, in order."""
        vertex, polytope = which[self.of], which[self.owner]
        function, number = np.cumsum(which) - 1, np.cumsum(vertex) - 1
        return Pieces(
            int(which.sum()),
            function[self.of[vertex]],
            self.at[vertex],
            self.value[vertex],
            number[self.corner[polytope]],
            self.cell[polytope],
            self.side[polytope],
        )


def _union_jack(wide: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Return the corners and cells of the triangles of grids with a number of lines, the two of a cell side by side.

    Each cell is cut from the crossing of two even or two odd lines to its opposite. Side 1 has the
    corner on an even line of x and an odd one of y, side 0 the other.
    """
    function, k = members((wide - 1) * (high - 1))
    i, j = np.divmod(k, high[function] - 1)
    first = offsets(wide * high)[function]
    x, y = i % 2, j % 2  # the cell's even lines are i + x and j + y
    even, odd = (i + x, j + y), (i + 1 - x, j + 1 - y)
    sides = ((odd[0], even[1]), (even[0], odd[1]))
    corner = np.stack(
        [np.column_stack([first + across * high[function] + up for across, up in (even, odd, apex)]) for apex in sides],
        axis=1,
    )
    return corner.reshape(-1, 3), np.repeat(np.column_stack([i, j]), 2, axis=0)
