"""The formulations written natively for CP-SAT."""
