"""Packing of fractional GPUs: pods that arrive one after the other and stay, on nodes with CPU, memory and GPUs."""

from optsched.simulate.packing.pack import Packing, pack
from optsched.simulate.packing.packers import PACKERS
from optsched.simulate.packing.trace import Nodes, Pods, arrivals, read_nodes, read_pods

__all__ = ["PACKERS", "Nodes", "Packing", "Pods", "arrivals", "pack", "read_nodes", "read_pods"]
