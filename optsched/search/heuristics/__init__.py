"""Heuristics: feasible plans in little time."""
