"""Rendered splits on disk: rendered aside, moved into place, checked by hash when opened."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from kapbench.datasets.synthetic.objects import BUILDERS
from kapbench.datasets.synthetic.render import render
from kapbench.datasets.synthetic.scene_plan import Image, Settings, images
from kapbench.errors import KapbenchError
from kapbench.locks import Lock
from kapbench.paths import cache_root
from kapbench.processes.unfinished import temporary_folder
from kapbench.progress import Progress
from kapbench.storage import file_hash, move_into_place
from kapbench.untrusted.strict_text import parse_json

ANNOTATIONS = "annotations.json"
HASH = "annotations.sha256"  # of that file, whose hash is part of the revision
SILENT_BELOW = 16  # images: fewer show no progress bar


class NotRenderedError(KapbenchError):
    """The split must be rendered first, and it was opened without leave to do that."""


def open_split(settings: Settings, *, build: bool = True) -> Path:
    """Folder of a rendered split. KapbenchError where it must be rendered, but `build` is False."""
    folder = cache_root() / "synthetic" / f"{settings.split}-{settings.hash}"
    if _find_damage(folder) is None:  # the cache may be read only
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = Lock(Path(f"{folder}.lock"), "Another process renders this split", folder, "Wait")
    with lock.held(wait=True):
        damage = _find_damage(folder)
        if damage and not build:
            raise NotRenderedError(
                "The split is not rendered yet",
                place=folder,
                fix="Use it once: it is then rendered, without a download",
            )
        if damage:
            if folder.exists():
                if not damage.startswith(HASH):  # which renderings of earlier versions lack
                    print(f"synthetic: {damage}; rendering again: {folder}", file=sys.stderr)
                shutil.rmtree(folder)
            _build(settings, folder)
    return folder


def _find_damage(folder: Path) -> str | None:
    """What is wrong with a folder, in words; None where it is complete."""
    try:
        if file_hash(folder / ANNOTATIONS) != (folder / HASH).read_text(encoding="ascii"):
            return f"{ANNOTATIONS} was changed"
        content = parse_json((folder / ANNOTATIONS).read_bytes(), folder / ANNOTATIONS)
        for name, expected in content["files"].items():
            if file_hash(folder / name) != expected:
                return f"{name} was changed"
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, KapbenchError) as error:
        return f"{ANNOTATIONS} cannot be read ({error})"
    return None


def _build(settings: Settings, folder: Path) -> None:
    with temporary_folder(folder.parent, ".rendering-") as temporary:
        planned = list(images(settings))
        bar = Progress(show=len(planned) >= SILENT_BELOW and sys.stderr.isatty())
        taken = []
        with (
            bar.stage("rendering", len(planned)) as advance,
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        ):
            jobs = [pool.submit(_render_image, i, settings.marking, temporary) for i in planned]
            try:
                for job in jobs:
                    taken.append(job.result())
                    advance(1)
            finally:
                pool.shutdown(cancel_futures=True)
        names = {c: list(BUILDERS[c](np.random.default_rng(0), 0.0).keypoints) for c in BUILDERS}
        files = {k: v for entry in taken for k, v in entry.pop("files").items()}
        content = {"keypoints": names, "images": taken, "files": files}
        (temporary / ANNOTATIONS).write_text(json.dumps(content), encoding="utf-8")
        (temporary / HASH).write_text(file_hash(temporary / ANNOTATIONS), encoding="ascii")
        move_into_place(temporary, folder)  # opening it compares every file with its hash


def _render_image(image: Image, marking: float, folder: Path) -> dict[str, Any]:
    """Renders one image; returns its annotation and the hashes of its two files."""
    solid = BUILDERS[image.category](np.random.default_rng(image.shape_seed), marking)
    taken = render(solid, image.shot)
    rows, columns = np.flatnonzero(taken.mask.any(axis=1)), np.flatnonzero(taken.mask.any(axis=0))
    files = {}
    for kind, pixels in (("images", taken.pixels), ("masks", taken.mask.astype(np.uint8) * 255)):
        name = f"{kind}/{image.image_id}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(pixels).save(folder / name)
        files[name] = file_hash(folder / name)
    xy: Sequence[Any] = np.round(taken.xy, 3).tolist()
    return {
        "image_id": image.image_id,
        "category": image.category,
        "instance": image.instance,
        "size": list(image.shot.size),
        "bbox": [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1],
        "keypoints": [p if v else None for p, v in zip(xy, taken.visible, strict=True)],
        "azimuth_bin": image.azimuth_bin,
        "files": files,
    }
