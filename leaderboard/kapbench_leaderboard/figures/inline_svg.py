"""A matplotlib figure as SVG inside a page: the page's colours, light or dark, and its fonts."""

import io
import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from kapbench_leaderboard.figures import style

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# Colours of figures → variables of site.css, which have another value on a dark page.
COLOURS = {
    style.BLACK: "var(--ink)",
    "#ffffff": "var(--paper)",
    style.GREY: "var(--soft)",
    style.ORANGE: "var(--orange)",
    style.SKY: "var(--sky)",
    style.GREEN: "var(--green)",
    style.YELLOW: "var(--yellow)",
    style.BLUE: "var(--blue)",
    style.VERMILION: "var(--vermilion)",
    style.PURPLE: "var(--purple)",
}
_OF_HEX = {name.lower(): variable for name, variable in COLOURS.items()}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline_svg(figure: Figure, label: str, titles: Mapping[str, str] | None = None) -> Markup:
    """An svg element without style attributes, which a page's content policy may forbid.

    Text stays text, so that it can be read aloud, searched and copied. Colours of `style` follow
    the page's variables. The page's background shows through.

    Args:
        label: What the chart shows, for readers who do not see it.
        titles: gid of an artist (`artist.set_gid`) → the text that hovering or focusing it shows.
    """
    root = ET.fromstring(_drawn(figure))  # noqa: S314  (matplotlib's own output)
    _strip(root)
    _name(root, dict(titles or {}))
    _restyle(root)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("class", "figure")
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  (escaped by it)


def _drawn(figure: Figure) -> bytes:
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    out = io.BytesIO()
    with style.styled(), mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _strip(root: ET.Element) -> None:
    """Removes metadata, and the style sheet, whose content becomes attributes."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)


def _name(root: ET.Element, titles: dict[str, str]) -> None:
    """Gives named artists their titles, and drops ids that nothing refers to."""
    referred = {each for element in root.iter() for each in _references(element)}
    for element in root.iter():
        name = element.get("id")
        if name in titles:
            element.set("class", "tip")
            title = ET.Element(f"{{{_SVG}}}title")
            title.text = titles[name]
            element.insert(0, title)
        if name is not None and name not in referred:
            del element.attrib["id"]


def _references(element: ET.Element) -> list[str]:
    references = [m for value in element.attrib.values() for m in _REFERENCE.findall(value)]
    href = element.get(f"{{{_XLINK}}}href")
    return references + ([href.removeprefix("#")] if href else [])


def _restyle(root: ET.Element) -> None:
    for element in root.iter():
        declared = element.attrib.pop("style", "")
        for declaration in filter(None, (part.strip() for part in declared.split(";"))):
            name, _, value = declaration.partition(":")
            _declare(element, name.strip(), value.strip())
        tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if tag == "text" and "fill" not in element.attrib:
            element.set("fill", COLOURS[style.BLACK])


def _declare(element: ET.Element, name: str, value: str) -> None:
    if name == "font":  # "7px 'DejaVu Sans', ..."; the page's own family
        size = re.search(r"([\d.]+)px", value)
        if size:
            element.set("font-size", size.group(1))
    elif name != "font-family":
        element.set(name, _OF_HEX.get(value.lower(), value))
