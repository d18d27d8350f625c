"""C8: which sizes of pieces share a server, for classes of several equal servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from formulations.joint.columns import Pairs
from formulations.joint.options import Options
from optsched.curves import FloatArray, IntArray
from optsched.linear import LinearModel

__all__ = ["add_patterns"]

_MOST = 400
"""Most patterns of a class: with more, its row of GPUs (C7) stands alone."""

Shared = Callable[[FloatArray, dict[str, Counter[int]]], None]


def add_patterns(model: LinearModel, o: Options, z: IntArray, pairs: Pairs) -> Shared:
    """Add w and C8; return what sets w to servers' contents, given as sizes of pieces by the server's name."""
    kind, place, most = pairs.kind, pairs.place, pairs.most
    gpus = np.array([k.gpus for k in o.kinds], dtype=np.int64)
    columns: dict[int, tuple[list[tuple[int, ...]], IntArray]] = {}
    for number, c in enumerate(o.classes):
        mine = np.flatnonzero((place == number) & (gpus[kind] > 0))
        sizes = sorted(set(gpus[kind[mine]].tolist()), reverse=True)
        if len(c) == 1 or len(mine) == 0 or sizes == [c.gpus]:
            continue
        shared = [p for p, _ in zip(_patterns(c.gpus, tuple(sizes)), range(_MOST + 1), strict=False)]
        if len(shared) > _MOST:
            continue
        labels = [f"{c},{'+'.join(map(str, pattern))}" for pattern in shared]
        w = model.add_variables("w", len(shared), upper=len(c), integer=True, label=labels.__getitem__)
        columns[number] = shared, w
        at = {size: k for k, size in enumerate(sizes)}
        slots = [(at[s], int(w[q]), -float(n)) for q, p in enumerate(shared) for s, n in Counter(p).items()]
        slots += [(at[int(gpus[kind[k]])], int(z[k]), 1.0) for k in mine.tolist()]
        r, col, a = (np.array(part) for part in zip(*slots, strict=True))
        slots_of = [f"{c},{size}" for size in sizes]
        model.add_rows("C8", (r, col, a), upper=0.0, size=len(sizes), label=slots_of.__getitem__)
        # the equal pieces of one job stand on as many servers that have room for their size
        several = [k for k in mine.tolist() if most[k] > 1]
        if several:
            apart = [(r, int(z[k]), 1.0) for r, k in enumerate(several)]
            apart += [
                (r, int(w[q]), -1.0)
                for r, k in enumerate(several)
                for q, p in enumerate(shared)
                if int(gpus[kind[k]]) in p
            ]
            r, col, a = (np.array(part) for part in zip(*apart, strict=True))
            model.add_rows("C8apart", (r, col, a), upper=0.0, size=len(several))
        model.add_rows("C8one", (0, w, 1.0), upper=len(c), size=1, label=[str(c)].__getitem__)

    def fill(values: FloatArray, contents: dict[str, Counter[int]]) -> None:
        for number, (shared, w) in columns.items():
            for name in o.classes[number].names:
                held = contents.get(name, Counter())
                if held:
                    values[w[next(q for q, p in enumerate(shared) if held <= Counter(p))]] += 1

    return fill


@cache
def _patterns(capacity: int, sizes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the largest multisets of sizes (descending) that fit a server; at most one more than are used."""
    found = []
    for pattern in _grown(capacity, sizes):
        found.append(pattern)
        if len(found) > _MOST:
            break
    return tuple(found)


def _grown(capacity: int, sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the multisets to which nothing can be added, each once."""
    if not sizes:
        yield ()
        return
    first, rest = sizes[0], sizes[1:]
    for count in range(capacity // first, -1, -1):
        left = capacity - count * first
        for tail in _grown(left, rest):
            # one more of the first size must not fit beside the tail
            if left - sum(tail) < first:
                yield (first,) * count + tail
