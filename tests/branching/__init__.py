"""Branch and bound on what a formulation says is to be decided."""
