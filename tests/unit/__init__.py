"""Unit tests: one module at a time, in milliseconds."""
