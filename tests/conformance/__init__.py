"""Conformance: tiny models with optima known by hand, on every formulation and backend."""
