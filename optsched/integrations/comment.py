"""What a comment or an annotation tells of a job: ``optsched application=bert max_gpus=8 remaining_examples=1e6``."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.scheduler import LiveJob

__all__ = ["MARK", "described", "told"]

MARK = "optsched"
"""The word in a job's comment that gives the job to optsched."""
NUMBERS = (
    "weight",
    "remaining_examples",
    "restart_s",
    "checkpoint_interval_s",
    "checkpoint_age_s",
    "rate",
    "batch",
    "gradient_noise",
)
COUNTS = ("min_gpus", "max_gpus", "gpu_multiple")
LISTS = ("global_batches", "local_batches")
TEXTS = ("application", "tenant", "curves")
ANSWERS = ("pinned", "required")


def told(comment: str) -> dict[str, Any] | None:
    """Return what a comment says after the mark; None for a comment without the mark.

    Raises
    ------
    InputError
        For a key or a value that is not known.
    """
    try:
        words = shlex.split(comment)
    except ValueError:
        words = comment.split()
    if MARK not in words:
        return None
    found: dict[str, Any] = {}
    for word in words[words.index(MARK) + 1 :]:
        key, equal, text = word.partition("=")
        if not equal:
            raise InputError("KEY=VALUE", path="comment", value=shown(word))
        found[key] = _value(key, text)
    convert(
        {"id": "job"} | {k: v for k, v in found.items() if k in LiveJob.__struct_fields__ and k != "curves"}, LiveJob
    )
    return found


def _value(key: str, text: str) -> Any:
    try:
        if key in NUMBERS:
            return float(text)
        if key in COUNTS:
            return int(text)
        if key in LISTS:
            return [int(part) for part in text.split(",")]
        if key == "throughput":
            return [_configuration(part) for part in text.split(",")]
    except ValueError:
        raise InputError("a number", path=f"comment.{key}", value=shown(text)) from None
    if key in TEXTS:
        return text
    if key == "gpu_types":
        return text.split(",")
    if key in ANSWERS and text in ("yes", "no"):
        return text == "yes"
    if key in ANSWERS:
        raise InputError("yes or no", path=f"comment.{key}", value=shown(text))
    known = ", ".join(sorted((*NUMBERS, *COUNTS, *LISTS, *TEXTS, *ANSWERS, "gpu_types", "throughput")))
    raise InputError(f"one of {known}", path="comment", value=shown(key))


def _configuration(text: str) -> dict[str, Any]:
    """Return a configuration written as ``v100:4:120.5`` or, on two nodes, ``v100:4x2:110``."""
    gpu_type, _, rest = text.partition(":")
    size, _, rate = rest.partition(":")
    gpus, _, nodes = size.partition("x")
    found: dict[str, Any] = {"gpu_type": gpu_type, "gpus": int(gpus), "throughput": float(rate)}
    return found | ({"nodes": int(nodes)} if nodes else {})


_OWN = ("rate", "batch", "gradient_noise", "curves", "throughput", "gpu_types")
"""Keys of a comment that are no fields of a job as they stand."""


def described(
    said: Mapping[str, Any], name: str, gpus: int, allowed: Sequence[str], curves: Collection[str]
) -> dict[str, Any]:
    """Return the fields of a job that its comment tells.

    Parameters
    ----------
    said
        What :func:`told` returned.
    name
        What it runs, where it does not say so.
    gpus
        How many it has, where it does not say that it can run on other numbers.
    allowed
        GPU types that it may use; its comment may allow fewer.
    curves
        Names of known curves: it follows ``NAME/TYPE`` on each type of which there is one, NAME being what it says as
        ``curves`` or ``application``.

    Raises
    ------
    InputError
        Where it can run nowhere.
    """
    types = [gpu for gpu in allowed if gpu in said.get("gpu_types", allowed)]
    fields: dict[str, Any] = {key: value for key, value in said.items() if key not in _OWN}
    if not fields.keys() & {"min_gpus", "max_gpus"} and "throughput" not in said:
        fields |= {"min_gpus": gpus, "max_gpus": gpus}
    fields["application"] = (said.get("application") or name)[:200]
    known = {gpu: f"{said.get('curves', fields['application'])}/{gpu}" for gpu in types}
    known = {gpu: curve for gpu, curve in known.items() if curve in curves}
    if "throughput" in said:
        fields["configurations"] = [c for c in said["throughput"] if c["gpu_type"] in types]
    elif known:
        fields["curves"] = known
    elif "curves" in said:
        raise InputError("curves of a GPU type that it may use", path="comment.curves", value=shown(said["curves"]))
    else:
        fields["gpu_types"] = types
    if not types or fields.get("configurations") == []:
        raise InputError("a GPU type of the cluster", path="comment.gpu_types", value=shown(said.get("gpu_types", [])))
    return fields
