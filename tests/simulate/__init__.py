"""Simulation: engine, policies, workloads, packing, outputs."""
