"""`kapbench convert`: annotations as a data set, and features of a lab as saved maps."""

import click

from kapbench.cli.convert_annotations import TOOLS, command_of
from kapbench.cli.convert_features import features


@click.group("convert")
def convert() -> None:
    """Convert what other programs wrote: annotations to a data set, features to saved maps.

    `features` is for feature maps; all other commands are annotation tools.

    \b
    Examples:
      kapbench convert label-studio export.json --images photos -o my-cats.json
      kapbench convert features my-features --dataset spair --grid stretched -o maps
    """


convert.add_command(features)
for _tool in TOOLS:
    convert.add_command(command_of(_tool))
