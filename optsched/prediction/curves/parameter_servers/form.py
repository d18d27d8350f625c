"""What a form of the throughput with parameter servers offers, and how its parameters are fitted.

The fit works on unbounded numbers ``z`` (logarithms and logits of the parameters), of which the
first scales the whole curve: ``z[0] + a`` divides every rate by ``exp(a)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import msgspec
import numpy as np

from optsched._util.arrays import FloatArray
from optsched.prediction.curves.parameter_servers.posterior import Posterior
from optsched.prediction.curves.parameter_servers.rows import Layout

__all__ = ["FormBase", "Parameter"]

_TINY = 1e-12  # stands for 0 under a logarithm


@dataclass(frozen=True)
class Parameter:
    """How one parameter becomes an unbounded number, and the hyperprior N(centre, width^2) of that.

    kind
        ``scale``: ln of seconds. ``ratio``: ln of ``times`` x seconds / scale. ``share``: logit.
        ``excess``: ln(value - 1). ``log``: ln.
    """

    name: str
    kind: Literal["scale", "ratio", "share", "excess", "log"]
    centre: float
    width: float
    times: float = 1.0

    def unbounded(self, value: float, scale: float) -> float:
        """Return the number that the fit works on."""
        if self.kind == "ratio":
            value *= self.times / scale
        elif self.kind == "share":
            value = value / max(1.0 - value, _TINY)
        elif self.kind == "excess":
            value -= 1.0
        return float(np.log(max(value, _TINY)))

    def value(self, z: float, scale: float) -> float:
        """Return the parameter itself."""
        x = float(np.exp(np.clip(z, -80.0, 80.0)))
        if self.kind == "ratio":
            return x * scale / self.times
        if self.kind == "share":
            return x / (1.0 + x)
        return min(1.0 + x, 1e6) if self.kind == "excess" else x


class FormBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form"):
    """One form with its parameters in seconds and shares.

    posterior
        How sure the parameters are, and the local correction; None: they are taken as they stand.
    """

    PARAMETERS: ClassVar[tuple[Parameter, ...]] = ()
    SHARED: ClassVar[tuple[tuple[float, ...], ...]] = ()
    """Rows ``c`` for which ``c @ z`` belongs to the model and not to the GPU type (bytes of the
    parameters, work on the server): measured on one GPU type, it holds for the next, too."""

    UNIT: ClassVar[tuple[float, ...]] = ()
    """What ``z`` gains for each e-fold of ``Rows.unit``; empty: the form is fitted in examples."""

    posterior: Posterior | None = None

    def __post_init__(self) -> None:
        size = len(self.PARAMETERS)
        if self.posterior and {size} != {len(r) for r in (self.posterior.covariance, *self.posterior.covariance)}:
            raise ValueError(f"Expected a covariance of {size} rows and columns")

    @staticmethod
    def log_rate(z: FloatArray, at: Layout) -> FloatArray:
        """Return ln examples/s for parameters of shape ``(..., P)``: shape ``(..., n)``."""
        raise NotImplementedError

    def rate_curvature(self) -> float:
        """Return a bound on |d^2 ln throughput / d(ln gbps)^2|; nan: unknown.

        A time ``a + c / b`` has an elasticity ``p`` in ``1 / b`` that changes by ``p (1 - p) <= 1/4``, a smooth
        maximum of sharpness ``q`` adds at most ``q / 4``, and a further summand 1/4.
        """
        return float("nan")

    @classmethod
    def name(cls) -> str:
        """Return the form's name, as it stands in files."""
        return str(cls.__struct_config__.tag)

    @classmethod
    def of(cls, z: FloatArray, posterior: Posterior | None = None) -> Self:
        """Return the form with the parameters that the numbers ``z`` stand for."""
        scale = cls.PARAMETERS[0].value(float(z[0]), 1.0)
        values = {p.name: p.value(float(x), scale) for p, x in zip(cls.PARAMETERS, z, strict=True)}
        return cls(**values, posterior=posterior)

    def vector(self) -> FloatArray:
        """Return the parameters as the unbounded numbers ``z``, shape ``(P,)``."""
        scale = max(float(getattr(self, self.PARAMETERS[0].name)), _TINY)
        return np.array([p.unbounded(float(getattr(self, p.name)), scale) for p in self.PARAMETERS])
