"""The page as one HTML file: no server, no request, and no code but its own."""

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from kapbench_leaderboard.explore.content import Content
from kapbench_leaderboard.explore.payload import payload
from kapbench_leaderboard.tables.dataset_names import display_name

SCRIPTS = ("similarity.js", "state.js", "scene.js", "panels.js", "start.js")
STYLE = "explore.css"


def render_page(content: Content) -> str:
    """The whole page. Text from files and users is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kapbench_leaderboard.explore"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    script = _script()
    style = "\n" + _static(STYLE)
    return environment.get_template("explore.html").render(
        content=content,
        dataset_name=display_name(content.dataset.name) if content.dataset else "",
        models=[model.name for model in content.models],
        script=Markup(script),  # noqa: S704  our own file
        style=Markup(style),  # noqa: S704  our own file
        script_hash=_hash(script),
        style_hash=_hash(style),
        data=_json_in_html(payload(content)),
        blocks=_blocks(content),
    )


def _script() -> str:
    """All scripts as one, in a scope of its own."""
    parts = "\n".join(_static(name) for name in SCRIPTS)
    return f"\n(() => {{\n'use strict';\n{parts}\n}})();\n"


def _static(name: str) -> str:
    path = files("kapbench_leaderboard.explore").joinpath("static", name)
    return path.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """By which the page's own policy lets this text run, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json_in_html(value: Any) -> Markup:
    """JSON that no text in it can end early: `<` and `&` are written as escapes."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  escaped above


def _blocks(content: Content) -> Iterator[tuple[str, Markup]]:
    """Name and base64 of each array of bytes: features, scales of cells, scales of channels."""
    for m, model in enumerate(content.models):
        quantised = model.quantised
        yield f"channels-{m}", _base64(quantised.channel_scales.astype("<f4"))
        for i, of_image in enumerate(quantised.maps):
            yield f"features-{m}-{i}", _base64(of_image.values)
            yield f"cells-{m}-{i}", _base64(of_image.cell_scales.astype("<f4"))


def _base64(values: np.ndarray) -> Markup:
    text = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return Markup(text)  # noqa: S704  letters, digits, +, / and = alone
