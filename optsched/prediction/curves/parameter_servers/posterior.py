"""How sure a fitted form is, as it stands in a file."""

from __future__ import annotations

from typing import Annotated

import msgspec

from optsched.prediction.curves.base import NonNegative, Positive
from optsched.prediction.curves.parameter_servers.rows import MOST_ROWS

__all__ = ["Anchor", "Posterior"]


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measured configuration that the local correction pulls the curve to.

    network
        Rate relative to the curve's ``reference_gbps``.
    residual
        Logarithm of measured over fitted throughput.
    variance
        Variance of the measurement's logarithm, large for an outlier.
    """

    workers: Positive
    servers: Positive
    batch: Positive
    network: Positive = 1.0
    residual: float
    variance: Positive


class Posterior(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the measurements left open.

    covariance
        Of the form's parameters, as the unbounded numbers of the fit, in the form's order.
    anchors
        What the local correction was measured at.
    misfit, length
        Standard deviation of the true curve's logarithm about the form, and the distance in
        (ln workers, ln servers) over which it fades by e.
    """

    covariance: tuple[tuple[float, ...], ...]
    anchors: Annotated[tuple[Anchor, ...], msgspec.Meta(max_length=MOST_ROWS)] = ()
    misfit: NonNegative = 0.0
    length: Positive = 0.5
