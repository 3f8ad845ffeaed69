"""Refuses an option, or a key of one, that is given twice where only the last would count."""

from collections import Counter
from collections.abc import Sequence

import click

from kapbench.errors import KapbenchError

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


def add_once(values: dict[str, str], key: str, value: str, *, option: str, place: str) -> None:
    """Adds KEY=VALUE, a text of `option`, to `values`.

    Raises:
        KapbenchError: the key has a value already.
    """
    if key in values:
        first, second = (quoted(f"{key}={text}") for text in (values[key], value))
        raise KapbenchError(
            f"{option} names '{key}' twice: {first} and {second}",
            place=place,
            fix=f"Keep one of them, e.g. {option} {second}",
        )
    values[key] = value


def quoted(text: str) -> str:
    """As a shell needs it."""
    return text if not set(text) & set("[]{} ") else f"'{text}'"


def _takes_one(option: click.Option) -> bool:
    return not (option.multiple or option.is_flag or option.count)
