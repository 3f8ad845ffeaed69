"""Which weights a model takes in commands that run it on image files, where -o is the output."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from kapbench.errors import KapbenchError

_RUN_OPTION = re.compile(r"-o (?=[a-z_]\w*=)")

weights_for_option = click.option(
    "--weights-for",
    default="spair",
    show_default=True,
    metavar="DATASET",
    help="With --model: which weights a model takes that is shipped with several, as sphere: those "
    "for spair (photographs) or synthetic.",
)


@contextmanager
def advice_for_model_option() -> Iterator[None]:
    """Models advise `-o weights=FILE`, as in `kapbench run`: here the option is --model-option."""
    try:
        yield
    except KapbenchError as error:
        fix = error.fix and _RUN_OPTION.sub("--model-option ", error.fix)
        raise KapbenchError(error.thing, place=error.place, fix=fix) from error
