"""Synchronous data-parallel training by all-reduce: the family, its fit, and what other pairs teach."""

from optsched.prediction.curves.allreduce.curve import AllReduce, Belief, Correction

__all__ = ["AllReduce", "Belief", "Correction"]
