"""Tables for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from optsched.checker.placement import found_places
from optsched.checker.recompute import Truth
from optsched.checker.traffic import sent_by
from optsched.cli.terminal import MOST_ROWS, Terminal, console, print_rest, table
from optsched.instance import Instance
from optsched.instance.pools import pools, resources
from optsched.instance.result import Result
from optsched.instance.solution import Allocation

__all__ = ["MOST_ROWS", "console", "print_rest", "print_result", "table"]


def print_result(instance: Instance, result: Result) -> None:
    """Print who holds what and where, how full the pools and links are, and what was proven."""
    terminal = console()
    if result.allocations:
        rated = any(a.gbps is not None for a in result.allocations)
        placed = any(a.placement for a in result.allocations)
        numbers = ("GPUs", "nodes", "PS", "batch", *(["Gb/s"] if rated else []), "examples/s", "progress")
        page = table("job", "GPU type", "site", *numbers, left=3)
        if placed:
            page.add_column("GPUs on servers", overflow="fold")
        for a in result.allocations[:MOST_ROWS]:
            batch = "" if a.local_batch is None else f"{a.local_batch * a.gpus * a.accumulation:.6g}"
            rate = [] if not rated else ["" if a.gbps is None else f"{a.gbps:.4g}"]
            page.add_row(
                a.job,
                a.gpu_type,
                a.site,
                str(a.gpus),
                str(a.nodes),
                str(a.servers or ""),
                batch,
                *rate,
                f"{a.throughput:.4g}",
                f"{a.progress:.3f}",
                *([_places(a)] if placed else []),
            )
        terminal.print(page)
        print_rest(terminal, result.allocations, "jobs (all are in the file that --out writes)")
        terminal.print()
        _print_pools(terminal, instance, result)
        if rated:
            _print_links(terminal, instance, result)
    for waiting in result.waiting[:MOST_ROWS]:
        terminal.print(f"waits: {waiting.job}" + (f" ({waiting.reason})" if waiting.reason else ""))
    print_rest(terminal, result.waiting, "jobs wait")
    for note in (*_unmeasured(instance), *result.notes):
        terminal.print(f"note: {note}", style="dim")
    _print_summary(terminal, result)


def _print_pools(terminal: Terminal, instance: Instance, result: Result) -> None:
    used: dict[tuple[str, str], int] = defaultdict(int)
    for a in result.allocations:
        used[a.site, a.gpu_type] += a.gpus
    page = table("pool", "GPUs", "in use", "idle", *(["shadow price (LP dual)"] if result.prices else []))
    for pool, shared in zip(pools(instance), resources(instance), strict=False):  # the pools come first
        held = used[pool.site, pool.gpu_type]
        price = result.prices.get(shared.name, 0.0)
        worth = [f"{price:.4g}" if price > 0 else ""] if result.prices else []  # whole GPUs may be worth more than 0
        page.add_row(str(pool), str(pool.capacity), str(held), str(pool.capacity - held), *worth)
    terminal.print(page)
    terminal.print()


def _places(a: Allocation) -> str:
    """Return where a job stands, e.g. ``4 each on a/0..1, 3 on b; PS on c``."""
    on: dict[int, list[str]] = defaultdict(list)
    for name, count in (a.placement or {}).items():
        on[count].append(name)
    each = {count: " each" if len(names) > 1 else "" for count, names in on.items()}
    parts = [f"{count}{each[count]} on {_folded(on[count])}" for count in sorted(on, reverse=True)]
    hosts = f"; PS on {_folded(list(a.server_placement))}" if a.server_placement else ""
    return ", ".join(parts) + hosts


def _folded(names: Sequence[str]) -> str:
    """Return names of servers, neighbours of a group as one: ``a/0..2 a/5 b``."""
    runs: list[tuple[str, int, int]] = []
    for group, slash, number in sorted(
        (group, slash, int(number or 0)) for group, slash, number in (name.partition("/") for name in names)
    ):
        head = group + slash
        if slash and runs and runs[-1][0] == head and runs[-1][2] == number - 1:
            runs[-1] = head, runs[-1][1], number
        else:
            runs.append((head, number, number))
    ends = ((head, str(low) if low == high else f"{low}..{high}") for head, low, high in runs)
    return " ".join(head + (end if head.endswith("/") else "") for head, end in ends)


def _unmeasured(instance: Instance) -> Iterator[str]:
    """Say which curves mean nothing at a network rate: their jobs stay where they need none."""
    if instance.decides == "network":
        curves = sorted({name for job in instance.jobs for name in job.curves.values()})
        names = [n for n in curves if (c := instance.curves[n]).on_network and getattr(c, "reference_gbps", 0) is None]
        if names:
            first = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            yield f"without reference_gbps, a network rate means nothing to these curves, and is not assigned: {first}"


def _print_links(terminal: Terminal, instance: Instance, result: Result) -> None:
    """Print how full the links are, and the server whose network is the fullest."""
    truth, held = Truth(instance), {a.job: a for a in result.allocations}
    sent = sent_by(truth, held, {name: found_places(truth, a) for name, a in held.items()})
    rates = {server: truth.groups[server[0]].network_gbps for server in sent.through}
    used = {server: amount / rate for server, amount in sent.through.items() if (rate := rates[server])}
    if sent.across:
        page = table("link", "Gb/s", "in use", "free")
        for link, (amount, most) in list(sent.across.items())[:MOST_ROWS]:
            page.add_row(link, f"{most:g}", f"{amount:.4g}", f"{max(0.0, most - amount):.4g}")
        terminal.print(page)
        print_rest(terminal, sent.across, "links")
    if used:
        group, number = fullest = max(used, key=lambda server: used[server])
        name = group if truth.groups[group].count == 1 else f"{group}/{number}"
        full = f"{sent.through[fullest]:.4g} of {rates[fullest]:g} Gb/s"
        terminal.print(f"fullest network of a server: {name}, {full}")
    terminal.print()


def _print_summary(terminal: Terminal, result: Result) -> None:
    method = f"{result.formulation} on {result.backend}" if result.backend else result.formulation
    times = f"build {result.build_s:.2f} s, solve {result.solve_s:.2f} s, in all {result.total_s:.2f} s"
    if result.value is None:
        terminal.print(f" ({result.stopped}): {result.reason}", head=result.status)
        return
    proof = "no bound" if result.bound is None else f"bound {result.bound:.6g}, gap {100 * (result.gap or 0):.3g} %"
    terminal.print(f" ({result.stopped}): {result.objective.name} {result.value:.6g}, {proof}", head=result.status)
    for goal in result.goals[1:]:
        proof = "no bound" if goal.bound is None else f"bound {goal.bound:.6g}, gap {100 * (goal.gap or 0):.3g} %"
        terminal.print(f"  then {goal.objective.name} {goal.value:.6g}, {proof}")
    terminal.print(f"{method}; {times}; checked; hash {result.hash}")
