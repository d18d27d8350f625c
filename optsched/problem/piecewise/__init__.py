"""Piecewise-linear functions as rows and integers of a linear model: one interface, one file an encoding.

Every encoding lowers a whole batch of functions at once. They differ in their binaries and in how a
solver takes to them, and agree in what they express. All are *sharp*: the LP relaxation of a single
function is its concave envelope from above, and its convex envelope from below.
"""

from __future__ import annotations

from optsched.problem.piecewise.encode import ENCODINGS, Encoded, choose, encode
from optsched.problem.piecewise.pieces import Pieces
from optsched.problem.piecewise.relation import Encoding, Sense

__all__ = ["ENCODINGS", "Encoded", "Encoding", "Pieces", "Sense", "choose", "encode"]
