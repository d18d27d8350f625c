"""Tests, by layer: unit, conformance, cross, property, mutation, faults, architecture."""
