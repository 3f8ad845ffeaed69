"""A contact sheet: `python -m kapbench.datasets.synthetic.sheet -o sheet.png --marking 1`."""

import io
from pathlib import Path

import click
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from kapbench.datasets.synthetic import MARKING, Synthetic, synthetic
from kapbench.files import write_atomically

CELL_PX, COLUMNS = 200, 8
LEFT, RIGHT, MIDDLE = (230, 97, 1), (94, 60, 153), (255, 255, 255)


def sheet(dataset: Synthetic, *, keypoints: bool = True) -> UInt8[np.ndarray, "h w 3"]:
    """A row a category, a column an azimuth bin; orange is the object's left, purple its right."""
    rows = []
    for category in dataset.categories:
        views = dataset.views([category])
        chosen = [next((v for v in views if v.azimuth_bin == b), None) for b in range(COLUMNS)]
        cells = [_cell(dataset, v, keypoints) if v else _blank() for v in chosen]
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)


def _blank() -> UInt8[np.ndarray, "h w 3"]:
    return np.full((CELL_PX, CELL_PX, 3), 255, np.uint8)


def _cell(dataset: Synthetic, view: object, keypoints: bool) -> UInt8[np.ndarray, "h w 3"]:
    from kapbench.types import View

    assert isinstance(view, View)
    picture = Image.fromarray(dataset.pixels(view))
    scale = CELL_PX / max(picture.size)
    picture = picture.resize((round(view.size[0] * scale), round(view.size[1] * scale)))
    canvas = Image.fromarray(_blank())
    offset = (CELL_PX - picture.width) // 2, (CELL_PX - picture.height) // 2
    canvas.paste(picture, offset)
    if keypoints:
        draw = ImageDraw.Draw(canvas)
        names = dataset.keypoint_names(view.category)
        for k in np.flatnonzero(view.keypoints.visible):
            x, y = view.keypoints.xy[k] * scale + np.array(offset)
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
    drawn = sheet(synthetic(split, marking=marking), keypoints=keypoints)
    content = io.BytesIO()
    Image.fromarray(drawn).quantize(200).save(content, "PNG", optimize=True)
    write_atomically(out, content.getvalue())


if __name__ == "__main__":
    main()
