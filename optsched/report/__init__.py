"""Reports: results of every command as one page that needs no network, and as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optsched.instance import Instance
    from optsched.instance.result import Result
    from optsched.schedule.records import Schedule

__all__ = ["page"]


def page(
    result: Result | Schedule | dict[str, Any] | list[Any], instance: Instance | None = None, title: str = ""
) -> str:
    """Return the HTML page of a result: one text that holds all it needs.

    Parameters
    ----------
    result
        A plan, a schedule, or what ``simulate``, ``federate``, ``pareto``, ``share`` or ``advise`` write as
        JSON.
    instance
        That it is of; without it the page leaves out curves, utilization and fairness.
    title
        Of the page; default: the instance's name.

    Raises
    ------
    InputError
        If it is nothing of these.
    SolverError
        Where what draws is not installed (``pip install 'optsched[plot]'``).
    """
    from optsched._util.plotting import altair
    from optsched.report.html import html_of
    from optsched.report.read import article_of

    altair()
    article = article_of(result, instance, title)
    return html_of([article], article.title)
