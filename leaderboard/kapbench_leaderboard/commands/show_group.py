"""How `kapbench show` reads its first words: a kind of figure, or two runs and --disagree."""

import click

DISAGREE = "--disagree"


class ShowGroup(click.Group):
    """`show A B --disagree` means `show disagree A B`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = next((word for word in args if word != DISAGREE), "")
        if DISAGREE in args and first not in self.commands:
            args = ["disagree", *(word for word in args if word != DISAGREE)]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises UsageError, with the kinds of figures, where the first word is none of them."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            kinds = ", ".join(self.list_commands(ctx))
            ctx.fail(
                f"'{args[0]}' is no kind of figure. Begin with one of {kinds}, e.g. kapbench show "
                f"report {args[0]}. To see where two runs differ: kapbench show A B {DISAGREE}."
            )
        return super().resolve_command(ctx, args)
