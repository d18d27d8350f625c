"""Benchmarks: formulations x encodings x backends x instances x seeds, measured, verified, and compared."""

from optsched.bench.grid import run
from optsched.bench.spec import Method, Spec, Task, load_spec, methods, tasks
from optsched.bench.table import Row, read_rows, write_rows

__all__ = ["Method", "Row", "Spec", "Task", "load_spec", "methods", "read_rows", "run", "tasks", "write_rows"]
