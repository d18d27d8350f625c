"""Advice for those who train: which GPUs, how many, which batch; what it takes, what limits it, what to measure."""

from __future__ import annotations

from optsched.advise.advice import advise
from optsched.advise.records import Advice, Option

__all__ = ["Advice", "Option", "advise"]
