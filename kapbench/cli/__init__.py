"""The command line: one file a command, imported when that command runs."""

from kapbench.cli.root import main

__all__ = ["main"]
