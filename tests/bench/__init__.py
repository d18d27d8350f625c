"""Benchmarks: every method runs once, nothing is lost, and scores are what they are by hand."""
