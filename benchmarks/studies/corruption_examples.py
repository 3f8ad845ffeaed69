"""A rendered image with every corruption, for docs/robustness.md.

python benchmarks/studies/corruption_examples.py -o docs/images/corruptions.png
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

import kapbench
from kapbench.datasets.altering.corruption_names import NAMES
from kapbench.datasets.altering.corruptions.apply import corrupt_pixels
from kapbench.storage import write_atomically

COLUMNS, COLOURS = 4, 256


def draw(pixels: np.ndarray, severity: int) -> bytes:
    """The image and its corruptions as a PNG of few colours, which is small."""
    import matplotlib.pyplot as plt

    rows = -(-(1 + len(NAMES)) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(8, 8.5), dpi=110, layout="constrained")
    for axis, name in zip(axes.flat, ("clean", *NAMES), strict=True):
        example = pixels if name == "clean" else corrupt_pixels(pixels, name, severity, "example")
        axis.imshow(example, interpolation="none")
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    content = io.BytesIO()
    figure.savefig(content)
    small = io.BytesIO()
    image = Image.open(content).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--severity", type=int, default=3)
    chosen = parser.parse_args()
    dataset = kapbench.load_dataset("synthetic.small")
    view = next(v for v in dataset.views() if v.category == "car")
    x0, y0, x1, y1 = view.bbox
    side = int(1.1 * max(x1 - x0, y1 - y0))
    left, top = int((x0 + x1 - side) / 2), int((y0 + y1 - side) / 2)
    pixels = dataset.pixels(view)[max(top, 0) : top + side, max(left, 0) : left + side]
    write_atomically(chosen.output, draw(pixels, chosen.severity))


if __name__ == "__main__":
    main()
