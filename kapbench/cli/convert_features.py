"""`kapbench convert features`: a lab's feature maps as a folder that features:DIR reads."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kapbench.cli.options import (
    FOLDER,
    data_root,
    dataset_options,
    output_format,
    shown_path,
    typed,
)
from kapbench.progress import Progress

if TYPE_CHECKING:
    from kapbench.models.converting.report import FeatureReport
    from kapbench.models.converting.sd_dino import Part
    from kapbench.protocols import Condition

SIDE_OF_SD_DINO = 840


@click.command("features", short_help="A folder of feature maps: .npy, .npz, .pt, .pth, .h5.")
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FOLDER")
@click.option(
    "--dataset", "name", required=True, metavar="NAME", help="The data set of the images."
)
@click.option("--split", default="test", help="Split of the data set.")
@dataset_options
@data_root
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="NAME",
    help="Only images of this category. Repeat it for more.",
)
@click.option("-o", "--output", type=FOLDER, required=True, help="The folder to write.")
@click.option(
    "--grid",
    type=click.Choice(["letterbox", "stretched"]),
    help="Where the cells lie: over the square around the whole image (letterbox), or exactly over "
    "the image, which was resized to a fixed shape (stretched). Files do not show it: it has no "
    "default.",
)
@click.option(
    "--side",
    type=click.IntRange(min=1),
    metavar="PX",
    help="Side of the letterbox that the network saw.",
)
@click.option(
    "--axes",
    type=click.Choice(["chw", "hwc"]),
    help="Order of the axes. Default: as the shapes of all files show; where they leave it open, it "
    "is asked for.",
)
@click.option(
    "--layout",
    type=click.Choice(["plain", "sd-dino"]),
    default="plain",
    help="sd-dino: NAME_sd.pt and NAME_dino.pt of GeoAware-SC's preprocess_map.py, on a letterbox of "
    f"{SIDE_OF_SD_DINO} px.",
)
@click.option(
    "--part",
    type=click.Choice(["both", "sd", "dino"]),
    default="both",
    help="With --layout sd-dino. both: each scaled to unit length, then joined.",
)
@click.option("--key", metavar="NAME", help="Name of the array, in files that hold several.")
@click.option(
    "--suffix",
    default="",
    metavar="TEXT",
    help="What follows an image's name in file names, e.g. _feat.",
)
@click.option("--allow-missing", is_flag=True, help="Accept images without features.")
@click.option(
    "--similarity",
    type=click.Choice(["dot", "neg_l2"]),
    default="dot",
    help="How cells are compared: cosine, or negative Euclidean distance.",
)
@click.option(
    "--supervision",
    default="none",
    metavar="TEXT",
    help="What annotation the model was trained with, e.g. keypoints.",
)
@click.option("--trained-on", metavar="TEXT", help="The training data, for the tables.")
@click.option(
    "--conditions-on",
    multiple=True,
    type=click.Choice(["category", "mask", "azimuth"]),
    help="What the features were made from besides pixels. Repeat it for more.",
)
@click.option("--force", is_flag=True, help="Replace the maps of another conversion.")
@output_format("text", "json")
def features(
    source: Path,
    name: str,
    split: str,
    dataset_options: tuple[str, ...],
    data_root: Path | None,
    categories: tuple[str, ...],
    output: Path,
    grid: Literal["letterbox", "stretched"] | None,
    side: int | None,
    axes: Literal["chw", "hwc"] | None,
    layout: str,
    part: "Part",
    key: str | None,
    suffix: str,
    allow_missing: bool,
    similarity: Literal["dot", "neg_l2"],
    supervision: str,
    trained_on: str | None,
    conditions_on: "tuple[Condition, ...]",
    force: bool,
    how: str,
) -> None:
    """Write the feature maps in FOLDER as a folder that --model features:DIR reads.

    FOLDER holds one .npy, .npz, .pt, .pth, .h5 or .safetensors file for each image, or is one file
    with an array for each image. No code in a file is run.

    \b
    Examples:
      kapbench convert features feats --dataset spair --grid stretched -o maps
      kapbench convert features feats.h5 --dataset spair --grid letterbox --side 518 -o maps
      kapbench convert features SPair-71k/features --dataset spair --layout sd-dino -o maps
      kapbench run --model features:maps --dataset spair
    """
    from kapbench.loading import load_dataset
    from kapbench.models.converting.convert_features import Choices, convert_features
    from kapbench.models.saved_maps_folder import Settings

    grid, side = _grid(grid, side, layout)
    options = typed("datasets", name, dataset_options)
    settings = Settings(
        grid=grid,
        side=side,
        similarity=similarity,
        supervision=supervision,
        trained_on=trained_on,
        conditions_on=conditions_on,
        corrupt=options.get("corrupt"),
    )
    report = convert_features(
        source,
        output,
        load_dataset(name, split=split, data_root=data_root, **options),
        Choices(
            settings=settings,
            axes=axes,
            key=key,
            suffix=suffix,
            sd_dino=part if layout == "sd-dino" else None,
            allow_missing=allow_missing,
        ),
        categories=categories or None,
        force=force,
        progress=Progress(show=sys.stderr.isatty()),
    )
    if how == "json":
        click.echo(report.model_dump_json(indent=1))
        return
    words = [name, *(() if split == "test" else ("--split", split))]
    words += [word for option in dataset_options for word in ("--dataset-option", option)]
    words += [word for category in categories for word in ("--category", category)]
    _print(report, output, " ".join(words))


def _grid(
    grid: Literal["letterbox", "stretched"] | None, side: int | None, layout: str
) -> tuple[Literal["letterbox", "stretched"], int]:
    """The grid and the side of the letterbox, as stated; click.UsageError where one is missing."""
    if layout == "sd-dino":
        if grid is not None or side is not None:
            raise click.UsageError(
                f"--layout sd-dino states a letterbox of {SIDE_OF_SD_DINO} px: leave out --grid and "
                "--side, or --layout for files named by --suffix"
            )
        return "letterbox", SIDE_OF_SD_DINO
    if grid is None:
        raise click.UsageError(
            "Files do not show where their cells lie: give --grid stretched where the network saw "
            "the whole image resized to a fixed shape, or --grid letterbox --side PX where it saw "
            "the image in a padded square"
        )
    if (grid == "letterbox") != (side is not None):
        raise click.UsageError("Give --side PX with --grid letterbox, and with it alone")
    return grid, side or SIDE_OF_SD_DINO


def _print(report: "FeatureReport", output: Path, dataset: str) -> None:
    """The report, and the command that scores the maps; `dataset` as it is named there."""
    kept = f", {report.n_kept:,} kept of an earlier start" if report.n_kept else ""
    click.echo(f"{shown_path(output)}: {report.n_written:,} maps written{kept}")
    for line in report.lines():
        click.echo(f"  {line}")
    click.echo(f"Next: kapbench run --model features:{shown_path(output)} --dataset {dataset}")
