"""What a job's comment tells of it: ``optsched application=bert max_gpus=8 remaining_examples=1e6``."""

from __future__ import annotations

import shlex
from typing import Any

from optsched._util.files import convert
from optsched.errors import InputError, shown
from optsched.scheduler import LiveJob

__all__ = ["MARK", "told"]

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
