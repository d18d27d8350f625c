"""Formulations over time: when which job runs in which configuration."""
