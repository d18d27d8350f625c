"""The formulations as Pyomo models, written to be read; tests hold them equal to the fast ones, row by row."""
