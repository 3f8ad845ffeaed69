"""The content of a page as values that JSON holds; its script reads them by these names."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from kapbench.scoring.frames import Frame
from kapbench.scoring.grid_geometry import anchors, source_cells
from kapbench.scoring.rules import KapRule, load_rule
from kapbench.scoring.schema import INSIDE, MAP_MAX, MAP_MIN, OUTSIDE
from kapbench.types import Grid, View
from kapbench_leaderboard.explore.content import Content, ExploredImage, ExploredModel
from kapbench_leaderboard.explore.fidelity import FEWEST_WITHIN, LARGEST_ERROR

RULES = ("kap-cvpr24", "kap-v1")
LONGEST_SIDE_PX = 480
_WEBP_QUALITY = 82
Json = dict[str, Any]


def payload(content: Content) -> Json:
    """Everything but the features, which are bytes."""
    rules = [rule for rule in map(load_rule, RULES) if isinstance(rule, KapRule)]
    return {
        "images": [_image(image) for image in content.images],
        "categories": {
            name: {"names": list(table.names), "twins": table.twins.tolist()}
            for name, table in content.categories.items()
        },
        "pairs": [
            {"id": p.pair.pair_id, "source": p.source, "target": p.target, "size": p.pair.size}
            for p in content.pairs
        ],
        "rules": [_rule(rule) for rule in rules],
        "hasAbsent": content.dataset is None or content.dataset.has_absent,
        "models": [_model(model, content, rules) for model in content.models],
        "colours": _colour_map(),
    }


def _image(image: ExploredImage) -> Json:
    visible = image.view.keypoints.visible
    xy = image.view.keypoints.xy.tolist()
    width, height = image.view.size
    return {
        "label": image.label,
        "category": image.view.category,
        "width": width,
        "height": height,
        "size": image.size_px,
        "url": _data_url(image.pixels),
        "keypoints": [p if v else None for p, v in zip(xy, visible, strict=True)],
    }


def _data_url(pixels: UInt8[np.ndarray, "h w 3"]) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=_WEBP_QUALITY, method=6)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _rule(rule: KapRule) -> Json:
    return {
        "name": rule.name,
        "closed": rule.geometry.closed,
        "nearestInside": rule.geometry.nearest_inside,
        "rescale": rule.rescale == "pair-min-max",
        "alphas": list(rule.alphas),
    }


def _model(model: ExploredModel, content: Content, rules: Sequence[KapRule]) -> Json:
    quantised, fidelity = model.quantised, model.fidelity
    views = [image.view for image in content.images]
    return {
        "name": model.name,
        "revision": model.revision,
        "similarity": quantised.similarity,
        "channels": len(quantised.channel_scales),
        "fidelity": {
            "within": fidelity.within_one_cell,
            "error": fidelity.largest_error,
            "low": fidelity.is_low,
            "fewestWithin": FEWEST_WITHIN,
            "mostError": LARGEST_ERROR,
        },
        "maps": [
            _map(of_image.grid, view, rules)
            for of_image, view in zip(quantised.maps, views, strict=True)
        ],
        "records": _records(model, content, rules),
    }


def _map(grid: Grid, view: View, rules: Sequence[KapRule]) -> Json:
    """A grid, the cell of each keypoint as a source, and the frame of each rule."""
    visible, xy = view.keypoints.visible, view.keypoints.xy
    cells = np.full(len(visible), -1)
    cells[visible] = source_cells(grid, view.size, xy[visible])
    return {
        "height": grid.height,
        "width": grid.width,
        "box": list(grid.box),
        "sourceCells": cells.tolist(),
        "frames": {rule.name: _frame(rule, grid, view) for rule in rules},
    }


def _frame(rule: KapRule, grid: Grid, view: View) -> Json:
    """Where a rule measures each column and row, each keypoint, and its scale."""
    frame = Frame(view.size, rule.geometry.frame_px)
    x, y = anchors(rule.geometry, grid, view.size)
    visible = view.keypoints.visible
    points = frame.points(np.nan_to_num(view.keypoints.xy))
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "scale": frame.scale,
        "points": [p if v else None for p, v in zip(points.tolist(), visible, strict=True)],
    }


def _records(model: ExploredModel, content: Content, rules: Sequence[KapRule]) -> Json:
    """By rule and by pair's number: keypoints, lowest and highest score, and by alpha the sides."""
    if model.records is None:
        return {}
    numbers = {p.pair.pair_id: i for i, p in enumerate(content.pairs)}
    return {
        rule.name: {
            str(numbers[str(name)]): _rows(rows.to_dict("list"), rule)
            for name, rows in model.records.groupby("pair_id", observed=True)
        }
        for rule in rules
        if MAP_MIN.of(rule.geometry) in model.records
    }


def _rows(rows: Mapping[Any, Any], rule: KapRule) -> Json:
    geometry = rule.geometry
    known = [a for a in rule.alphas if INSIDE.of(geometry, a) in rows]
    return {
        "keypoints": rows["keypoint"],
        "low": rows[MAP_MIN.of(geometry)][0],
        "high": rows[MAP_MAX.of(geometry)][0],
        "sides": {
            f"{alpha:g}": [
                _without_nan(rows[side.of(geometry, alpha)]) for side in (INSIDE, OUTSIDE)
            ]
            for alpha in known
        },
    }


def _without_nan(values: Sequence[float]) -> list[float | None]:
    return [None if np.isnan(v) else v for v in values]


def _colour_map() -> str:
    """256 colours of viridis, which colour-blind readers order by lightness, as hex digits."""
    import matplotlib as mpl

    rgb = (mpl.colormaps["viridis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    return rgb.tobytes().hex()
