"""Throughput of training with parameter servers: forms, their fit, and the curve that a file holds."""

from __future__ import annotations

from optsched.curves.servers.choice import FittedServers, fit_servers
from optsched.curves.servers.curve import ParameterServer
from optsched.curves.servers.forms import AsyncCapacity, AsyncMva, Form, SyncCapacity, SyncIncast, SyncSerial
from optsched.curves.servers.posterior import Anchor, Posterior
from optsched.curves.servers.rows import ServerRows

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
