"""Objectives and limits as people write them, on a command line or in a program."""

from __future__ import annotations

import json
import re
from typing import Any

from optsched.errors import InputError, shown
from optsched.instance import Limit, ObjectiveSpec
from optsched.instance.objectives.registry import objective

__all__ = ["limit_of", "objectives_of", "one_objective"]


def objectives_of(
    wanted: str | ObjectiveSpec | None, default: ObjectiveSpec | None = None
) -> tuple[ObjectiveSpec, ...]:
    """Read ``max-min,alpha-fair:alpha=2:epsilon=0.1``: objectives with their parameters, the most important first.

    Parameters
    ----------
    wanted
        Text, or a record, which is returned as it is; None: the default.
    default
        For None, e.g. the instance's own objective.

    Raises
    ------
    InputError
        For a name or a parameter that does not exist.
    """
    if wanted is None and default is not None:
        wanted = default
    if isinstance(wanted, ObjectiveSpec):
        objective(wanted)
        return (wanted,)
    if not isinstance(wanted, str):
        raise InputError("the text of an objective, or an ObjectiveSpec", path="objective", value=shown(wanted))
    return tuple(_objective(part.strip()) for part in wanted.split(","))


def one_objective(wanted: str | ObjectiveSpec | None, default: ObjectiveSpec | None = None) -> ObjectiveSpec:
    """Read one objective as :func:`objectives_of` does; raise InputError for several."""
    found = objectives_of(wanted, default)
    if len(found) > 1:
        raise InputError("one objective", path="objective", value=shown(wanted))
    return found[0]


def _objective(text: str) -> ObjectiveSpec:
    name, *settings = text.split(":")
    parameters: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError("NAME:PARAMETER=VALUE:...", path="objective", value=shown(text))
        try:
            parameters[key] = json.loads(value)
        except json.JSONDecodeError:
            parameters[key] = value
    spec = ObjectiveSpec(name=name, parameters=parameters)
    objective(spec)
    return spec


def limit_of(text: str) -> Limit:
    """Read ``cost<=50`` or ``progress>=30``; raise InputError for what is neither."""
    match = re.fullmatch(r"\s*([^<>=]+(?:=[^<>=]+)*?)\s*(<=|>=)\s*([-+0-9.eE]+)\s*", text)
    try:
        bound = float(match[3]) if match else None
    except ValueError:
        bound = None
    if match is None or bound is None:
        raise InputError("OBJECTIVE<=NUMBER or OBJECTIVE>=NUMBER", path="limit", value=shown(text))
    spec = _objective(match[1])
    return Limit(objective=spec, at_most=bound) if match[2] == "<=" else Limit(objective=spec, at_least=bound)
