"""Minutes to a given quality against the number of accelerators: predict the largest systems from smaller ones."""

from __future__ import annotations

from optsched.prediction.scaling_series.fit import fit
from optsched.prediction.scaling_series.fitted import ScalingSeries
from optsched.prediction.scaling_series.predict import predict
from optsched.prediction.scaling_series.rows import NOT_VERIFIED, is_series_table, read_series, read_systems

__all__ = ["NOT_VERIFIED", "ScalingSeries", "fit", "is_series_table", "predict", "read_series", "read_systems"]
