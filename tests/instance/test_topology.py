"""What a ring crosses that stands in no smaller home, against every way to stand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from optsched.instance.topology import Crossing, Parted, Room, ServerClass


def made(random):
    """Return a room of a site: racks of a class each, some below switches, most with a link with a limit."""
    racks = int(random.integers(2, 7))
    servers = random.integers(1, 4, racks)
    classes = tuple(
        ServerClass(tuple(f"{r}/{k}" for k in range(n)), "site", f"rack-{r}", "v100", 4, np.inf, np.inf, 10.0)
        for r, n in enumerate(servers.tolist())
    )
    cut = int(random.integers(1, racks))
    below = [np.arange(racks) == r for r in range(racks)] + [np.arange(racks) < cut, np.arange(racks) >= cut]
    known, crossings = set(), []
    for side in below:
        if random.random() < 0.8 and not known & {side.tobytes(), (~side).tobytes()}:
            known.add(side.tobytes())
            crossings.append(Crossing(f"link {len(crossings)}", "site", 1.0, side))
    return Room(classes, tuple(crossings)), servers


def stands(domain, domains):
    """Yield every set of classes of a home that lies within no smaller one."""
    inside = np.flatnonzero(domain)
    smaller = [other for other in domains if not (other & ~domain).any() and (domain & ~other).any()]
    for count in range(1, len(inside) + 1):
        for chosen in combinations(inside.tolist(), count):
            used = np.isin(np.arange(len(domain)), chosen)
            if all((used & ~other).any() for other in smaller):
                yield used


@pytest.mark.parametrize("seed", range(60))
def test_rings_cross_at_least_what_is_said_and_what_is_certain(seed):
    room, servers = made(np.random.default_rng(seed))
    domains, _ = room.domains()
    for domain in domains:
        parted = Parted.of(domain, domains, room.crossings, servers)
        certain = set(parted.links[parted.surely].tolist())
        for used in stands(domain, domains):
            crossed = {e for e, c in enumerate(room.crossings) if (used & c.below).any() and (used & ~c.below).any()}
            assert crossed <= set(parted.links.tolist())
            assert certain <= crossed
            if len(parted.links):
                pieces = np.arange(used.sum(), servers[used].sum() + 1)
                assert (parted.least(pieces) <= len(crossed)).all()


def test_of_racks_with_uplinks_as_many_are_crossed_as_it_takes():
    servers = np.array([4, 4, 2, 2])
    sides = tuple(Crossing(f"uplink {r}", "site", 1.0, np.arange(4) == r) for r in range(4))
    racks = np.eye(4, dtype=bool)
    parted = Parted.of(np.ones(4, dtype=bool), np.vstack([racks, np.ones((1, 4), dtype=bool)]), sides, servers)
    assert parted.least(np.array([2, 8, 9, 10, 11, 12])).tolist() == [2, 2, 3, 3, 4, 4]
    assert not parted.surely.any()


def test_of_two_racks_both_uplinks_are_certain():
    sides = tuple(Crossing(f"uplink {r}", "site", 1.0, np.arange(3) == r) for r in range(3))
    domains = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=bool)  # the third rack has other GPUs
    parted = Parted.of(domains[2], domains, sides, np.array([4, 4, 4]))
    assert parted.links.tolist() == [0, 1]
    assert parted.surely.all()
