"""The command line: one file a command, imported when that command runs."""

from kapbench.cli.main import main

__all__ = ["main"]
