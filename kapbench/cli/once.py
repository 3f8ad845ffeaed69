"""Refuses an option that is given twice where only the last would count."""

from collections import Counter
from collections.abc import Sequence

import click

_SWEPT = ("--model", "--dataset")


def refuse_repeated(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """UsageError where an option that takes one value has several."""
    if ctx.resilient_parsing:
        return
    _, _, given = command.make_parser(ctx).parse_args(list(args))
    for option, n in Counter(given).items():
        if n > 1 and isinstance(option, click.Option) and _takes_one(option):
            name = max(option.opts, key=len)
            times = "twice" if n == 2 else f"{n} times"
            swept = command.name == "run" and name in _SWEPT
            fix = "`kapbench sweep` scores several" if swept else "Give it once"
            raise click.UsageError(f"{name} is given {times}, and takes one value. {fix}.", ctx=ctx)


def _takes_one(option: click.Option) -> bool:
    return not (option.multiple or option.is_flag or option.count)
