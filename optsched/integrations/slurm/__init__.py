"""Slurm: plan the held GPU jobs of a cluster, and carry the plan out by ``scontrol``."""

from optsched.integrations.slurm.records import Node, SlurmJob, read_nodes, read_queue
from optsched.integrations.slurm.view import View, view_of

__all__ = ["Node", "SlurmJob", "View", "read_nodes", "read_queue", "view_of"]
