"""The columns of the joint model that its parts share."""

from __future__ import annotations

from dataclasses import dataclass

from optsched._util.arrays import IntArray

__all__ = ["Columns", "Pairs"]


@dataclass(frozen=True)
class Pairs:
    """Pairs (kind of pieces, class) that fit, and the most pieces of the pair; shape ``(n,)`` each."""

    kind: IntArray
    place: IntArray
    most: IntArray


@dataclass(frozen=True)
class Columns:
    """x of options, z of pairs."""

    x: IntArray
    z: IntArray
