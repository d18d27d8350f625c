"""What all benchmarks have: their options, the measured curves, and how a table is shown."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from optsched.prediction.curves.fitted import load_curves

__all__ = ["CURVES", "INSTANCES", "parser_of", "show"]

INSTANCES = Path(__file__).resolve().parents[1] / "instances"
CURVES = load_curves(INSTANCES / "curves.json")
"""Fitted to published measurements; instances are generated from them."""


def parser_of(description: str | None, quick: str = "one small case, once") -> argparse.ArgumentParser:
    """Return a parser with ``--quick``, which the tests run; ``description``: the script's docstring."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser


def show(told: str, *tables: Table) -> None:
    """Print tables, what must be known to read them, and how busy the machine was, on which times depend."""
    console = Console(width=150)
    for table in tables:
        console.print(table)
    print(f"{told}; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
