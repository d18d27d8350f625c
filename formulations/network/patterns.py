"""C8: which pieces share a server, for classes of several equal servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import numpy as np

from formulations.network.columns import Pairs
from formulations.network.separation import Apart, Spread
from formulations.network.sets import Options
from optsched._util.arrays import FloatArray, IntArray
from optsched.solvers.linear import LinearModel

__all__ = ["Item", "add_patterns", "full_patterns", "holds", "multisets"]

_MOST = 400
"""Most patterns of a class: with more, rates do not count, and then its row of GPUs (C7) stands alone."""
_LOOKED = 20_000
"""Most multisets that are looked at to find them."""

Item = tuple[int, float]
"""What a piece needs of a server: GPUs, and the network rate where it is given."""
Pattern = tuple[Item, ...]
Shared = Callable[[FloatArray, dict[str, Counter[Item]]], None]
Cut = Callable[[FloatArray], int]


def add_patterns(model: LinearModel, o: Options, z: IntArray, pairs: Pairs) -> tuple[Shared, Cut]:
    """Add w and C8; return what sets w to contents, given as items by the server's name, and what adds rows."""
    _add_halves(model, o, z, pairs)
    kind, place, most = pairs.kind, pairs.place, pairs.most
    gpus = np.array([k.gpus for k in o.kinds], dtype=np.int64)
    sends = np.array([k.sends for k in o.kinds], dtype=np.float64)
    classes: list[tuple[Apart, IntArray, IntArray]] = []
    columns: dict[int, tuple[Sequence[Pattern], IntArray, bool]] = {}
    for number, c in enumerate(o.classes):
        mine = np.flatnonzero((place == number) & (gpus[kind] > 0))
        needs = list(zip(gpus[kind[mine]].tolist(), sends[kind[mine]].tolist(), strict=True))
        if len(c) == 1 or {size for size, _ in needs} <= {c.gpus}:
            continue
        shared = full_patterns(c.gpus, c.network_gbps, tuple(sorted(set(needs), reverse=True)))
        rated = shared is not None
        if shared is None:
            needs = [(size, 0.0) for size, _ in needs]
            shared = full_patterns(c.gpus, c.network_gbps, tuple(sorted(set(needs), reverse=True)))
        if shared is None:
            continue
        labels = [f"{c},{'+'.join(_text(item) for item in pattern)}" for pattern in shared]
        w = model.add_variables("w", len(shared), upper=len(c), integer=True, label=labels.__getitem__)
        columns[number] = shared, w, rated
        items = sorted(set(needs), reverse=True)
        slots = [
            (r, int(w[q]), -float(n))
            for r, item in enumerate(items)
            for q, pattern in enumerate(shared)
            if (n := sum(_serves(slot, item) for slot in pattern))
        ]
        slots += [
            (r, int(z[k]), 1.0)
            for r, item in enumerate(items)
            for k, need in zip(mine.tolist(), needs, strict=True)
            if _serves(need, item)
        ]
        r, col, a = (np.array(part) for part in zip(*slots, strict=True))
        named = [f"{c},{_text(item)}" for item in items]
        model.add_rows("C8", (r, col, a), upper=0.0, size=len(items), label=named.__getitem__)
        job = np.array([o.kinds[k].job for k in kind[mine].tolist()])
        size, rate = (np.array(part) for part in zip(*needs, strict=True))
        apart = Apart(c.gpus, c.network_gbps * rated, shared, job, size, rate, most[mine] > 1)
        classes.append((apart, z[mine], w))
        _add_apart(model, apart.each(), *classes[-1])
        model.add_rows("C8one", (0, w, 1.0), upper=len(c), size=1, label=[str(c)].__getitem__)

    def fill(values: FloatArray, contents: dict[str, Counter[Item]]) -> None:
        for number, (shared, w, rated) in columns.items():
            for name in o.classes[number].names:
                held = [(size, rate * rated) for size, rate in contents.get(name, Counter()).elements()]
                if held:
                    values[w[next(q for q, pattern in enumerate(shared) if holds(pattern, held))]] += 1

    def cut(values: FloatArray) -> int:
        # what one class lacks, those like it will lack next
        lacks = [
            (apart.gpus, apart.network, spread)
            for apart, pieces, w in classes
            for spread in apart.violated(values[pieces], values[w])
        ]
        for apart, pieces, w in classes:
            same = dict.fromkeys(spread for *kind, spread in lacks if kind == [apart.gpus, apart.network])
            _add_apart(model, same, apart, pieces, w)
        return len(lacks)

    return fill, cut


def _add_halves(model: LinearModel, o: Options, z: IntArray, pairs: Pairs) -> None:
    """Add C8half: of pieces that need more than half of a server's GPUs, or of its rate, a single one holds one."""
    of = [o.kinds[k] for k in pairs.kind.tolist()]
    alone = np.array([len(c) == 1 for c in o.classes])[pairs.place]
    has = np.array([(c.gpus, c.network_gbps * (1 + 1e-9)) for c in o.classes]).reshape(-1, 2)[pairs.place]
    needs = np.array([(kind.gpus, kind.sends) for kind in of]).reshape(-1, 2)
    for large in (2 * needs > has).T:
        mine = np.flatnonzero(alone & large)
        places, row = np.unique(pairs.place[mine], return_inverse=True)
        model.add_rows("C8half", (row, z[mine], 1.0), upper=1.0, size=len(places))


def _add_apart(model: LinearModel, spreads: Iterable[Spread], apart: Apart, pieces: IntArray, w: IntArray) -> None:
    """Add rows of C8apart."""
    rows = [row for row in map(apart.row, spreads) if row[0].any()]
    if not rows:
        return
    counted, room = (np.array(part) for part in zip(*rows, strict=True))
    (r, k), (of, q) = np.nonzero(counted), np.nonzero(room)
    entries = np.concatenate([r, of]), np.concatenate([pieces[k], w[q]])
    coefficient = np.concatenate([np.ones(len(r)), -room[of, q]])
    model.add_rows("C8apart", (*entries, coefficient), upper=0.0, size=len(rows))


def _text(item: Item) -> str:
    return f"{item[0]}@{item[1]:g}" if item[1] else str(item[0])


def _serves(slot: Item, item: Item) -> bool:
    """Tell whether a slot of a pattern is for pieces of an item's size, and has at least its rate."""
    return slot[0] == item[0] and slot[1] >= item[1]


def holds(pattern: Pattern, held: list[Item]) -> bool:
    """Tell whether pieces find a slot each: by size, those of the greatest rates first (both are sorted so)."""
    for size in {size for size, _ in held}:
        slots = [rate for slot, rate in pattern if slot == size]
        rates = sorted((rate for of, rate in held if of == size), reverse=True)
        if len(rates) > len(slots) or any(rate > slot for rate, slot in zip(rates, slots, strict=False)):
            return False
    return True


@cache
def full_patterns(gpus: int, network: float, items: Pattern) -> tuple[Pattern, ...] | None:
    """Return the largest multisets of items (in descending order) that fit a server; None if they are too many.

    Nothing can be added to them, and no item be exchanged for another of its size and a greater rate.
    """
    if len(items) > _MOST:
        return None
    found: list[Pattern] = []
    for looked, pattern in enumerate(multisets(gpus, network * (1 + 1e-9), items)):
        if looked >= _LOOKED:
            return None
        left, over = gpus - sum(size for size, _ in pattern), network * (1 + 1e-9) - sum(rate for _, rate in pattern)
        more = any(size <= left and rate <= over for size, rate in items)
        faster = any(size == of and own < rate <= own + over for size, rate in items for of, own in pattern)
        if not more and not faster:
            found.append(pattern)
            if len(found) > _MOST:
                return None
    return tuple(found)


def multisets(gpus: int, network: float, items: Pattern) -> Iterator[Pattern]:
    """Yield all multisets of items (GPUs, rate) that fit and to which none of the last item can be added, each once."""
    if not items:
        yield ()
        return
    (size, rate), rest = items[0], items[1:]
    most = gpus // size if rate == 0 else min(gpus // size, int(network / rate))
    for count in range(most, -1 if rest else most - 1, -1):
        for tail in multisets(gpus - count * size, network - count * rate, rest):
            yield (items[0],) * count + tail
