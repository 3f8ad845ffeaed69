"""`--isolated/--in-process`: where `submit reproduce` runs a model."""

import click

isolated_option = click.option(
    "--isolated/--in-process",
    default=None,
    show_default=False,
    help="Run the model in a process of its own, which cannot read annotations from memory; where "
    "the system allows it, it has no network and sees no files but its own. Default: isolated, "
    "unless the code is kapbench's own.",
)
