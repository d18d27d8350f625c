"""Sentences about what was proven and why a search ended, shared by the commands."""

from __future__ import annotations

from math import floor, isfinite, log10

__all__ = ["clock", "percent_up", "sentence", "times"]

_STOPPED = {
    "time_limit": "stopped by the time limit",
    "interrupted": "interrupted",
    "failed": "the solver failed",
    "infeasible": "",
}


def percent_up(part: float) -> str:
    """Return a part as percent with two digits, rounded up, so that no more is said than is proven.

    What is less than 0.0001 % is called that.
    """
    if part <= 0:
        return "0 %"
    percent = max(100 * part, 1e-4)
    scale = 10.0 ** (1 - floor(log10(percent)))
    steps = percent * scale
    whole = floor(steps) if steps - floor(steps) < 1e-6 else floor(steps) + 1
    return f"{whole / scale:.12g} %"


def sentence(status: str, gap: float | None, stopped: str) -> str:
    """Return a status in words.

    Parameters
    ----------
    status
        ``optimal``, ``feasible``, ``infeasible`` or ``unknown``.
    gap
        The proven relative gap; None where no bound is known.
    stopped
        Why the search ended, e.g. ``time_limit``.
    """
    ended = _STOPPED.get(stopped, "")
    if status == "optimal":
        return "optimal" if gap is None or gap <= 1e-11 else f"optimal within {percent_up(gap)}"
    if status == "feasible":
        known = gap is not None and isfinite(gap)
        proof = f"at most {percent_up(gap)} from the best" if known and gap is not None else "no bound is known"
        return f"feasible, {proof}" + (f"; {ended}" if ended else "")
    if status == "infeasible":
        return "infeasible"
    return "no plan was found" + (f"; {ended}" if ended else "")


def times(total_s: float, **parts_s: float) -> str:
    """Return parts of a time and the rest that add up to the whole, as they are printed."""
    shown = {name: round(seconds, 2) for name, seconds in parts_s.items()}
    whole = round(total_s, 2)
    rest = round(whole - sum(shown.values()), 2)
    if rest < 0:  # parts that ran at the same time, or rounding
        whole, rest = round(whole - rest, 2), 0.0
    parts = " + ".join(f"{name} {seconds:.2f} s" for name, seconds in {**shown, "other": rest}.items())
    return f"{parts} = {whole:.2f} s"


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss, with a sign if they are negative."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
