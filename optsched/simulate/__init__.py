"""Simulation: how policies do on workloads, event by event."""
