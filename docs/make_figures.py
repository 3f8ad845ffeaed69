"""Draws the figures of docs/pictures.md again: python docs/make_figures.py

Runs that are not finished are made first, in ./runs. All images are rendered.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

IMAGES = Path(__file__).parent / "images"
DATASET = ("--dataset", "synthetic")
MODELS = ("lite0", "sphere", "constant", "random")
RUNS = ("sphere.lite0", "lite0", "constant", "random")
PAIR = "car/0000-0>0002-1"
# A command, and for files that it writes into its folder the image of the page.
SHOWN = (
    (("keypoint", "lite0", PAIR, "0"), {"kap-car_0000-0_0002-1-0.png": "kap-absent.png"}),
    (("keypoint", "lite0", PAIR, "16"), {"kap-car_0000-0_0002-1-16.png": "kap-present.png"}),
    (("samples", "lite0", "sphere.lite0"), {"samples.png": "samples.png"}),
    (("pair", "lite0", "sphere.lite0", PAIR), {"pair-car_0000-0_0002-1.png": "transfers.png"}),
    (
        ("lite0", "sphere.lite0", "--disagree", "--n", "2"),
        {"better-sphere.lite0-than-lite0.png": "disagree.png"},
    ),
    (("report", *RUNS), {"scatter.png": "scatter.png", "bars.png": "bars.png"}),
)
FEATURES = ("features", "--model", "lite0", "--model", "sphere", "--category", "car")
DIAGNOSED = (
    (RUNS, "losses.png"),
    (("lite0", "sphere.lite0"), "steps.png"),
    (("lite0", "--worst", "absent, counterpart visible", "--n", "1"), "worst-of-type.png"),
)


def kapbench(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "kapbench", *words], check=True)  # noqa: S603  our own words


def main() -> None:
    for model in MODELS:
        kapbench("run", "--model", model, *DATASET, "-q")
    with TemporaryDirectory() as folder:
        for words, images in SHOWN:
            kapbench("show", *words, *DATASET, "-o", folder)
            for made, image in images.items():
                shutil.copyfile(Path(folder) / made, IMAGES / image)
        kapbench("show", *FEATURES, *DATASET, "-o", folder)
        shutil.copyfile(Path(folder) / "maps-synthetic-car.png", IMAGES / "maps.png")
    for words, image in DIAGNOSED:
        kapbench("diagnose", *words, *DATASET, "-o", str(IMAGES / image))


if __name__ == "__main__":
    main()
