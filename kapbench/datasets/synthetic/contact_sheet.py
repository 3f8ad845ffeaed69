"""A contact sheet: `python -m kapbench.datasets.synthetic.contact_sheet -o sheet.png --marking 1`."""

import io
from pathlib import Path

import click
import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL import ImageDraw

from kapbench.datasets.synthetic.dataset import MARKING
from kapbench.datasets.synthetic.objects import BUILDERS
from kapbench.datasets.synthetic.render import render
from kapbench.datasets.synthetic.scene_plan import Image, Settings, images
from kapbench.storage import write_atomically
from kapbench.types import AZIMUTH_BINS

CELL_PX = 200
INSTANCES = 60  # to choose from, of which few are rendered: some sides are rare
LEFT, RIGHT, MIDDLE = (230, 97, 1), (94, 60, 153), (255, 255, 255)


def chosen(split: str, marking: float) -> list[list[Image]]:
    """A row a category, a column an azimuth bin: the split's first view of it.

    Pictures do not depend on how many instances a split has, so most are those of `synthetic`.
    """
    first: dict[tuple[str, int], Image] = {}
    for image in images(Settings(split, marking, 0, INSTANCES, 3, 1)):
        first.setdefault((image.category, image.azimuth_bin), image)
    return [[first[category, bin_] for bin_ in range(AZIMUTH_BINS)] for category in BUILDERS]


def sheet(split: str, marking: float, *, keypoints: bool = True) -> UInt8[np.ndarray, "h w 3"]:
    """Orange is the object's left, purple its right."""
    rows = [[cell(image, marking, keypoints) for image in row] for row in chosen(split, marking)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def cell(image: Image, marking: float, keypoints: bool) -> UInt8[np.ndarray, "h w 3"]:
    solid = BUILDERS[image.category](np.random.default_rng(image.shape_seed), marking)
    taken = render(solid, image.shot)
    picture = Pillow.fromarray(taken.pixels)
    scale = CELL_PX / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    canvas = Pillow.new("RGB", (CELL_PX, CELL_PX), (255, 255, 255))
    offset = (CELL_PX - picture.width) // 2, (CELL_PX - picture.height) // 2
    canvas.paste(picture, offset)
    if keypoints:
        draw = ImageDraw.Draw(canvas)
        names = list(solid.keypoints)
        for k in np.flatnonzero(taken.visible):
            x, y = taken.xy[k] * scale + np.array(offset)
            colour = {"L": LEFT, "R": RIGHT}.get(names[k][0], MIDDLE)
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour, outline=(0, 0, 0))
    return np.asarray(canvas)


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--marking", default=MARKING, show_default=True)
@click.option("--split", default="trn", show_default=True)
@click.option("--keypoints/--no-keypoints", default=True, show_default=True)
def main(out: Path, marking: float, split: str, keypoints: bool) -> None:
    """Draw a contact sheet of the synthetic data set."""
    drawn = sheet(split, marking, keypoints=keypoints)
    content = io.BytesIO()
    Pillow.fromarray(drawn).quantize(200).save(content, "PNG", optimize=True)
    write_atomically(out, content.getvalue())


if __name__ == "__main__":
    main()
