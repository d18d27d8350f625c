"""Companions of the schedulers of real clusters."""
