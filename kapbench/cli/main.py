"""`kapbench`: the root of the command line."""

from importlib.metadata import entry_points

import click

from kapbench.cli.lazy import Deferred, LazyGroup


def _train_summary() -> str:
    """The registered trainers by name; none is imported."""
    *names, last = sorted(entry.name for entry in entry_points(group="kapbench.trainers")) or [""]
    return f"Train {', '.join(names)} or {last}." if names else f"Train {last or 'a model'}."


_OWN = {
    "run": Deferred("kapbench.cli.run:run", "Score a model on a data set."),
    "sweep": Deferred("kapbench.cli.sweep:sweep", "Score many models on many data sets."),
    "train": Deferred("kapbench.cli.train:train", _train_summary()),
    "list": Deferred("kapbench.cli.list:list_", "List models, data sets, rules or runs."),
    "cache": Deferred("kapbench.cli.cache:cache", "List, check or shrink the feature cache."),
    "fetch": Deferred("kapbench.cli.fetch:fetch", "Download a data set, checked by hash."),
    "convert": Deferred(
        "kapbench.cli.convert:convert",
        "Convert annotations to a data set, or features to saved maps.",
    ),
}


@click.group(
    cls=LazyGroup,
    deferred=_OWN,
    plugins="kapbench.commands",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="kapbench", prog_name="kapbench")
def main(debug: bool) -> None:
    """Evaluate semantic correspondence with KAP and PCK, under named rules.

    \b
    Examples:
      kapbench run --model sphere --dataset synthetic
      kapbench compare
      kapbench list models
    """
