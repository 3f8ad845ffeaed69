"""`kapbench train NAME`: trainers are plug-ins, found through entry points."""

from importlib.metadata import EntryPoint, entry_points

import click

from kapbench.cli.list import summary
from kapbench.cli.once import refuse_repeated
from kapbench.errors import unknown


class Trainers(click.Group):
    """Lists the registered trainers without importing them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(_trainers())

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        trainers = _trainers()
        if cmd_name not in trainers:
            raise unknown("trainer", cmd_name, trainers)
        command: click.Command = trainers[cmd_name].load()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            refuse_repeated(command, click.Context(command, ctx, name), rest)
        return name, command, rest

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, summary(entry)) for name, entry in sorted(_trainers().items())]
            )


@click.command(cls=Trainers)
def train() -> None:
    """Train a model. `kapbench train NAME --help` shows the options of each trainer.

    The same command continues a training that was stopped; --force starts it anew.

    \b
    Examples:
      kapbench train sphere --backbone lite0 --dataset spair --split trn
      kapbench train dve --help
    """


def _trainers() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="kapbench.trainers")}
