"""``python -m optsched``: the command line."""

from optsched.cli import main

main()
