"""`python -m kapbench`."""

from kapbench.cli import main

main()
