"""The scheduler and the solver for programs of any language: JSON lines on a pipe, or HTTP."""

from optsched.serve.service import Service

__all__ = ["Service"]
