"""Arrays of members in groups, one group after the other, and of some things among all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FloatArray",
    "IntArray",
    "by_group",
    "components",
    "distinct",
    "even_split",
    "foremost",
    "members",
    "offsets",
    "positions",
    "run_starts",
    "stretches",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def offsets(count: ArrayLike) -> IntArray:
    """Return where each group of ``count[k]`` members begins, and where the last one ends; shape ``(groups + 1,)``."""
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64, copy=False)


def members(count: IntArray) -> tuple[IntArray, IntArray]:
    """Return (group, number) of each member: of which of the groups of ``count[k]``, and the how-manieth of it."""
    group = np.repeat(np.arange(len(count)), count)
    return group, np.arange(len(group)) - np.repeat(offsets(count)[:-1], count)


def stretches(begin: IntArray, count: IntArray) -> IntArray:
    """Return ``begin[k], begin[k] + 1, ...``, ``count[k]`` of them, for each k in turn."""
    return np.repeat(begin - offsets(count)[:-1], count) + np.arange(np.sum(count))


def by_group(group: IntArray, groups: int) -> tuple[IntArray, IntArray]:
    """Return (start, order): members ``order[start[k]:start[k + 1]]``, in their order, are those of group k."""
    return offsets(np.bincount(group, minlength=groups)), np.argsort(group, kind="stable")


def foremost(group: IntArray, worth: FloatArray, most: int) -> IntArray:
    """Return the members of the greatest value of each group, at most ``most``: group by group, the best first."""
    order = np.lexsort((-worth, group))
    return order[members(np.bincount(group))[1] < most]


def run_starts(*keys: IntArray | FloatArray) -> IntArray:
    """Return where the runs begin, in each of which all keys, of shape ``(n,)``, stay as they are."""
    new = np.zeros(len(keys[0]), dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(new)


def distinct(key: IntArray | FloatArray) -> tuple[IntArray, IntArray]:
    """Return (first, number): the first of each set of equal rows of a matrix, and which set each row is of.

    Sets are in lexicographic order; nan equals nan, and comes first. ``np.unique`` by ``axis=0`` takes far longer.
    """
    columns = np.where(np.isnan(key), -np.inf, key).T
    order = np.lexsort(columns[::-1])
    start = run_starts(*columns[:, order])
    number = np.empty(len(key), dtype=np.int64)
    number[order] = np.repeat(np.arange(len(start)), np.diff(start, append=len(key)))
    return order[start], number


def even_split(total: ArrayLike, parts: ArrayLike) -> tuple[IntArray, IntArray]:
    """Spread units over parts as evenly as possible, for instance the GPUs of a job over its nodes.

    Returns
    -------
    size, count
        The larger and the smaller size of a part, which differ by one, and how many parts have each size; shape
        ``(..., 2)`` each. The count of the larger size may be 0.
    """
    smaller, more = np.divmod(total, parts)
    return np.stack([smaller + 1, smaller], axis=-1), np.stack([more, parts - more], axis=-1)


def positions(some: IntArray, size: int) -> IntArray:
    """Return the place of each of ``0, 1, ..., size - 1`` among some of them; -1 where it is none of them."""
    place = np.full(size, -1)
    place[some] = np.arange(len(some))
    return place


def components(count: int, one: IntArray, other: IntArray) -> IntArray:
    """Return a label of each vertex of an undirected graph, equal for connected ones, shape ``(count,)``.

    Each round takes every edge to the lesser label of its two ends, and halves the chains of labels (Shiloach and
    Vishkin, J. Algorithms 3 (1982)). scipy's ``csgraph`` takes a fifth of a second to import.

    Parameters
    ----------
    one, other
        The ends of each edge, shape ``(edges,)``.
    """
    label = np.arange(count)
    while True:
        least = np.minimum(label[one], label[other])
        lower = label.copy()
        np.minimum.at(lower, label[one], least)
        np.minimum.at(lower, label[other], least)
        lower = lower[lower]
        if (lower == label).all():
            return label
        label = lower
