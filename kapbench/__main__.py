"""`python -m kapbench`."""

from kapbench.cli.supervise import main

if __name__ == "__main__":
    main()
