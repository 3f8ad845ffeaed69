"""`kapbench convert TOOL`: what an annotation tool exported, as a manifest."""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kapbench.cli.once import add_once
from kapbench.cli.options import FOLDER, shown_path
from kapbench.errors import KapbenchError, counted
from kapbench.progress import Progress

if TYPE_CHECKING:
    from kapbench.datasets.converting.exif import Exif

TOOLS = {
    "cvat": 'annotations.xml of "CVAT for images 1.1".',
    "deeplabcut": "CollectedData_SCORER.csv, or the project's folder.",
    "label-studio": "The file of the format JSON.",
    "labelme": "The folder of the .json files.",
    "sleap": "A .slp or .pkg.slp file; needs pip install 'kapbench[convert]'.",
    "x-anylabeling": "The folder of the .json files.",
}


def _two_words(
    _ctx: click.Context, _option: click.Parameter, text: str | None
) -> tuple[str, str] | None:
    if text is None:
        return None
    words = text.split(",")
    if len(words) != 2 or not all(words) or words[0] == words[1]:
        raise click.BadParameter("Give two different words with a comma between them")
    return words[0], words[1]


@click.command()
@click.argument("export", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The manifest to write, NAME.json; NAME becomes the name of the data set.",
)
@click.option(
    "--images",
    type=FOLDER,
    help="Folder in which the images' paths begin. Default: the folder of the export, or images "
    "in it.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="NAME|OLD=NEW",
    help="Category of every object, or another name for one category; the second can be repeated. "
    "Default: the label of an object's box or skeleton, else object.",
)
@click.option(
    "--unlabelled",
    type=click.Choice(["unknown", "absent"]),
    default="unknown",
    help="What a keypoint without a label is. unknown: KAP is not computed. absent: the annotators "
    "left out exactly the keypoints that cannot be seen.",
)
@click.option(
    "--accept-rare-names",
    is_flag=True,
    help="With --unlabelled absent: accept names of keypoints that occur in one image only.",
)
@click.option(
    "--occluded",
    type=click.Choice(["visible", "absent"]),
    default="visible",
    help="What a keypoint is that is placed and marked as occluded (CVAT) or difficult "
    "(X-AnyLabeling).",
)
@click.option(
    "--exif",
    type=click.Choice(["auto", "upright", "stored"]),
    default="auto",
    help="Whether points refer to images rotated as EXIF says (upright). auto: as "
    "keypoints and boxes fit.",
)
@click.option(
    "--mirror-names",
    callback=_two_words,
    metavar="LEFT,RIGHT",
    help="Keypoints whose names differ in these words are mirror counterparts. Default: left and "
    "right, or l and r, as words of their own.",
)
@click.option(
    "--points-in-order",
    is_flag=True,
    help="CVAT: a shape with several points is an object, its keypoints are numbered from 1.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    help="Pairs of each category, drawn at random. Default: all.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the pairs.")
@click.option("--strict", is_flag=True, help="Stop at the first annotation that would be left out.")
@click.option("--force", is_flag=True, help="Replace an existing manifest.")
def annotations(
    tool: str,
    export: Path,
    output: Path,
    images: Path | None,
    categories: tuple[str, ...],
    unlabelled: Literal["unknown", "absent"],
    accept_rare_names: bool,
    occluded: Literal["visible", "absent"],
    exif: "Exif",
    mirror_names: tuple[str, str] | None,
    points_in_order: bool,
    pairs: int | None,
    seed: int,
    strict: bool,
    force: bool,
) -> None:
    """Convert the EXPORT of an annotation tool to a manifest.

    \b
    Examples:
      kapbench convert label-studio export.json --images photos -o my-cats.json
      kapbench convert cvat annotations.xml -o my-cats.json --occluded absent
      kapbench convert deeplabcut my-project -o mice.json --category mouse
      kapbench run --model lite0 --dataset manifest:my-cats.json
    """
    from kapbench.datasets.converting.convert import convert as write
    from kapbench.datasets.converting.convert_objects import Choices
    from kapbench.datasets.manifest.schema import Rule

    _check(tool, output, points_in_order=points_in_order, force=force)
    category, renamed = _parse_categories(categories)
    report = write(
        tool,
        export,
        output,
        images=images,
        choices=Choices(
            category=category,
            renamed=renamed,
            unlabelled=unlabelled,
            occluded=occluded,
            mirror_words=mirror_names,
            accept_rare_names=accept_rare_names,
        ),
        exif=exif,
        rule=Rule(n=pairs, seed=seed),
        strict=strict,
        points_in_order=points_in_order,
        progress=Progress(show=sys.stderr.isatty()),
    )
    counts = report.counts
    click.echo(
        f"{shown_path(output)}: {counted(counts['images'], 'image')}, "
        f"{counted(counts['objects'], 'object')}, {counted(counts['keypoints'], 'keypoint')}; "
        f"{counts['not visible']:,} not visible, {counts['not labelled']:,} not labelled"
    )
    for line in report.lines():
        click.echo(f"  {line}")
    click.echo(f"Next: kapbench run --model lite0 --dataset manifest:{shown_path(output)}")


def command_of(tool: str) -> click.Command:
    """The command that converts the exports of one tool."""
    assert annotations.callback is not None
    return click.Command(
        tool,
        callback=functools.partial(annotations.callback, tool),
        params=annotations.params,
        help=annotations.help,
        short_help=TOOLS[tool],
    )


def _parse_categories(texts: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """The category of all objects or None, and new names of categories by old ones."""
    pairs = [text.partition("=") for text in texts]
    if len(texts) == 1 and not pairs[0][1]:
        return texts[0], {}
    renamed: dict[str, str] = {}
    for old, equals, new in pairs:
        if not (old and equals and new):
            raise click.UsageError(f"--category {old}{equals}{new}: give one NAME, or OLD=NEW")
        add_once(renamed, old, new, option="--category", place="--category")
    return None, renamed


def _check(tool: str, output: Path, *, points_in_order: bool, force: bool) -> None:
    if output.suffix.lower() != ".json":
        raise KapbenchError("The manifest is JSON", place=output, fix="Name it NAME.json")
    if output.exists() and not force:
        raise KapbenchError(
            "The file exists already", place=output, fix="Add --force to replace it"
        )
    if points_in_order and tool != "cvat":
        raise KapbenchError(
            "The option --points-in-order is for CVAT alone", place=tool, fix="Remove it"
        )
