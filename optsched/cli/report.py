"""Tables for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from optsched._util.wording import clock, percent_up, sentence, times
from optsched.checker.placement import found_places
from optsched.checker.recompute import Truth
from optsched.checker.traffic import sent_by
from optsched.cli.terminal import MOST_ROWS, Terminal, console, print_rest, table
from optsched.instance import Instance
from optsched.instance.pools import pools, resources
from optsched.instance.result import Result
from optsched.instance.solution import Allocation

__all__ = ["MOST_ROWS", "console", "print_rest", "print_result", "table"]

_MOST_WAITING = 10
"""Most jobs that wait which are named."""


def print_result(instance: Instance, result: Result) -> None:
    """Print who holds what and where, how full the pools and links are, and what was proven."""
    terminal = console()
    if result.allocations:
        rated = any(a.gbps is not None for a in result.allocations)
        placed = any(a.placement for a in result.allocations)
        work = _work(instance, result)
        costs = any(cost for _, cost in work.values())
        ends = [*(["done in"] if work else []), *(["total cost"] if costs else [])]
        numbers = ("GPUs", "nodes", "PS", "batch", *(["Gb/s"] if rated else []), "examples/s", "progress", *ends)
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
                *_cells(work.get(a.job), len(ends)),
                *([_places(a)] if placed else []),
            )
        terminal.print(page)
        print_rest(terminal, result.allocations, "jobs (all are in the file that --out writes)")
        terminal.print()
        _print_pools(terminal, instance, result)
        if rated:
            _print_links(terminal, instance, result)
    for waiting in result.waiting[:_MOST_WAITING]:
        terminal.print(f"waits: {waiting.job}" + (f" ({waiting.reason})" if waiting.reason else ""))
    if (more := len(result.waiting) - _MOST_WAITING) > 0:
        terminal.print(f"{more} more wait (--json and --out have all)")
    for note in (*_unmeasured(instance), *result.notes):
        terminal.print(f"note: {note}", style="dim")
    if instance.decides == "counts" and result.allocations:
        terminal.print(
            "decided on counts: pools are large enough, and each job has its fewest nodes; that all fit on the servers "
            'at once is not promised (for that, the instance decides on "placement")',
            style="dim",
        )
    _print_summary(terminal, result)


def _cells(work: tuple[float, float] | None, columns: int) -> list[str]:
    """Return when a job is done and what it costs, in as many columns as there are."""
    return [""] * columns if work is None else [clock(work[0]), f"{work[1]:.2f}"][:columns]


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
        (group, slash, int(number)) if number.isdecimal() else (group + slash + number, "", 0)
        for group, slash, number in (name.rpartition("/") for name in names)
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
    head = sentence(result.status, result.gap, result.stopped)
    if result.value is None:
        terminal.print(f": {result.reason}" if result.reason else "", head=head)
        return
    terminal.print(f": {_proof(result.objective.name, result.value, result.bound)}", head=head)
    for goal in result.goals[1:]:
        within = "" if goal.gap is None else f", within {percent_up(goal.gap)}"
        terminal.print(f"  then {_proof(goal.objective.name, goal.value, goal.bound)}{within}")
    method = f"{result.formulation} on {result.backend}" if result.backend else result.formulation
    terminal.print(
        f"{method}; {times(result.total_s, build=result.build_s, solve=result.solve_s)}; checked; hash {result.hash}"
    )


def _proof(name: str, value: float, bound: float | None) -> str:
    return f"{name} {value:.6g}" + ("" if bound is None else f", bound {bound:.6g}")


def _work(instance: Instance, result: Result) -> dict[str, tuple[float, float]]:
    """Return the seconds from now until each job ends, and what it costs until then, where its work is known.

    As long as it holds what the plan gives it: work over goodput, and what a restart takes.
    """
    truth = Truth(instance)
    found = {}
    for a in result.allocations:
        job = truth.jobs[a.job]
        goodput = a.throughput * truth.efficiency(job, a)
        if job.remaining_examples is not None and goodput > 0:
            seconds = truth.lost_seconds(job, a) + job.remaining_examples / goodput
            price = truth.prices[a.site].get(a.gpu_type) or 0.0
            found[a.job] = seconds, price * a.gpus * seconds / 3600
    return found
