"""Faulty input: one file a fault."""
