"""Objectives and limits as people write them on a command line."""

from __future__ import annotations

import json
import re
from typing import Any

from optsched.errors import InputError, shown
from optsched.instance import Limit, ObjectiveSpec
from optsched.instance.objectives import objective

__all__ = ["limit_of", "objectives_of"]


def objectives_of(text: str) -> tuple[ObjectiveSpec, ...]:
    """Read ``max-min,alpha-fair:alpha=2:epsilon=0.1``: objectives with their parameters, the first one first.

    Raises
    ------
    InputError
        For a name or a parameter that does not exist.
    """
    return tuple(_objective(part.strip()) for part in text.split(","))


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
