"""The process of an isolated model, started by `kapbench.isolated.load`. It holds no annotation.

Standard input and output carry the messages; what the model prints goes to standard error.
"""

import os
from contextlib import suppress
from functools import partial

from kapbench.cli.options import typed
from kapbench.isolated.child import serve


def main() -> None:
    """Takes the standard streams for messages, before the model's code is loaded."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    with suppress(BrokenPipeError):
        serve(requests, answers, partial(typed, "models"))


if __name__ == "__main__":
    main()
