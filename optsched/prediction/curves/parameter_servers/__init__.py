"""Throughput of training with parameter servers: forms, their fit, and the curve that a file holds."""

from __future__ import annotations

from optsched.prediction.curves.parameter_servers.choice import FittedServers, fit_servers
from optsched.prediction.curves.parameter_servers.curve import ParameterServer
from optsched.prediction.curves.parameter_servers.forms import (
    AsyncCapacity,
    AsyncMva,
    Form,
    SyncCapacity,
    SyncIncast,
    SyncSerial,
)
from optsched.prediction.curves.parameter_servers.posterior import Anchor, Posterior
from optsched.prediction.curves.parameter_servers.rows import ServerRows

__all__ = [
    "Anchor",
    "AsyncCapacity",
    "AsyncMva",
    "FittedServers",
    "Form",
    "ParameterServer",
    "Posterior",
    "ServerRows",
    "SyncCapacity",
    "SyncIncast",
    "SyncSerial",
    "fit_servers",
]
