"""The bound over time: how value and bound closed in on each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optsched._util.plotting import KINDS, altair
from optsched.report.article import Picture, Section

__all__ = ["bound_over_time"]


def bound_over_time(
    trace: Sequence[tuple[float, float | None, float | None]], name: str, value: float | None, bound: float | None
) -> Iterator[Section]:
    """Return the section of a search whose trace was recorded; nothing without one."""
    points = [
        {"seconds": seconds, "what": what, "amount": amount}
        for seconds, best, proven in trace
        for what, amount in (("incumbent", best), ("dual bound", proven))
        if amount is not None
    ]
    if len({point["seconds"] for point in points}) < 2:
        return
    amounts = sorted(float(p["amount"]) for p in points if isinstance(p["amount"], float))
    last = [x for x in (value, bound) if x is not None]
    middle = last[0] if last else amounts[len(amounts) // 2]
    far = max(abs(x - middle) for x in amounts)
    near = max([abs(x - middle) for x in last] + [0.05 * abs(middle)])
    scale = {"domain": [middle - 5 * near, middle + 5 * near]} if far > 20 * near > 0 else {"zero": False}
    alt = altair()
    chart = (
        alt.Chart(alt.Data(values=points))
        .mark_line(interpolate="step-after", point=True, strokeWidth=2, clip=True)
        .encode(
            x=alt.X("seconds:Q", title="seconds"),
            y=alt.Y("amount:Q", title=name, scale=alt.Scale(**scale)),
            color=alt.Color(
                "what:N", title=None, scale=alt.Scale(domain=["incumbent", "dual bound"], range=list(KINDS[:2]))
            ),
            strokeDash=alt.StrokeDash("what:N", title=None),
            tooltip=["what:N", "seconds:Q", "amount:Q"],
        )
        .properties(width=1000, height=240)
    )
    says = f"{name} of the best plan and its proven bound over {points[-1]['seconds']} seconds, as the search reported"
    yield Section(
        "The bound over time", [Picture("bound", "Incumbent and dual bound, as the search reported", chart, says)]
    )
