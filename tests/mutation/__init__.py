"""Mutation: plans broken by one rule, which the checker must name."""
