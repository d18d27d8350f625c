"""Cross checks: brute force against every formulation on every backend."""
