"""Throughput as a function of the network rate."""
