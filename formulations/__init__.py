"""The formulations: one file each, with its mathematics in the docstring.

``reference`` holds the readable Pyomo models that the fast ones are checked against row by row,
``cpsat`` those written natively for CP-SAT.
"""
