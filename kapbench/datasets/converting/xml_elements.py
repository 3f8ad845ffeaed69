"""Reads XML from others: a document type, which can define entities, is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from kapbench.errors import KapbenchError
from kapbench.untrusted.strict_text import read_bytes


def read_xml(path: Path, fix: str) -> Element:
    """The root element.

    Without a document type there are no entities but the five of XML itself, so that none expands
    without limit and none names a file (defusedxml refuses the same; it would be one more package).

    Raises:
        KapbenchError: missing, no XML, or with a document type.
    """
    content = read_bytes(path, fix)
    builder, parser = TreeBuilder(), ParserCreate()

    def refuse(*_: object) -> NoReturn:
        place = f"{path}, line {parser.CurrentLineNumber}"
        raise KapbenchError("The file has a document type (DOCTYPE)", place=place, fix=fix)

    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (ExpatError, ValueError, LookupError) as error:  # the last two: of its encoding
        raise KapbenchError(f"The file is not XML: {error}", place=path, fix=fix) from error
    return builder.close()


def children(element: Element, *tags: str) -> Iterator[Element]:
    """Those with one of the tags, in their order."""
    return (child for child in element if child.tag in tags)
