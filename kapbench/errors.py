"""The exception for mistakes that the user can correct, and words of its messages."""

import difflib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from kapbench.shown_text import escape_hidden

_N_NAMED = 3  # by name_first
_LONGEST_TEXT = 2000  # of an exception that is not kapbench's


class KapbenchError(Exception):
    """A mistake in the input that the user can correct.

    The command line prints the message without a traceback and exits with status 1.

    `thing` and `fix` begin with a capital letter (unless with the name of an option, attribute,
    file, package or model) and have no final full stop.

    Args:
        thing: What is wrong, as a sentence ("The photograph cannot be read").
        place: Where it is wrong: a path, a name, a line or a key.
        fix: What to do about it, as a sentence ("Fetch it again").
    """

    def __init__(self, thing: str, place: object = None, fix: str | None = None) -> None:
        self.thing, self.place, self.fix = thing, place, fix
        super().__init__(thing, place, fix)

    def __str__(self) -> str:
        place = "" if self.place is None else f"\n  at:  {self.place}"
        text = f"{self.thing}{place}" + ("" if self.fix is None else f"\n  fix: {self.fix}")
        return escape_hidden(text, allowed="\n")


def described(error: BaseException) -> str:
    """Type and text of an exception that is not kapbench's: at most 2,000 printable characters."""
    try:
        text = f": {error}"
    except BaseException as failure:  # noqa: BLE001  __str__ is foreign code too
        text = f", whose text cannot be read ({type(failure).__name__})"
    name = type(error).__name__
    whole = name + (text if text.strip(": ") else "")
    cut = whole if len(whole) <= _LONGEST_TEXT else f"{whole[:_LONGEST_TEXT]} …"
    return escape_hidden(cut, allowed="\n\t")


def counted(number: int, noun: str) -> str:
    """1 image, 2 images, 1 category, 2 categories."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def agreeing(verb: str, number: int) -> str:
    """The verb, given in the singular, for so many: is or are, has or have, lies or lie."""
    plural = {"is": "are", "has": "have"}.get(verb, verb.removesuffix("s"))
    return verb if number == 1 else plural


def name_first(names: Sequence[str]) -> str:
    """The first three names, and how many more there are: a; b; c and 4 more."""
    more = f" and {len(names) - _N_NAMED:,} more" if len(names) > _N_NAMED else ""
    return "; ".join(names[:_N_NAMED]) + more


def with_article(noun: str) -> str:
    """a list, an ndarray."""
    vowel = noun[:1].lower() in "aeiou" or noun == "ndarray"
    return f"{'an' if vowel else 'a'} {noun}"


def unknown(
    thing: str, name: str, known: Iterable[str], place: object = None, *, quoted: bool = False
) -> KapbenchError:
    """The error for a name that does not exist: suggests the nearest ones, or lists all names.

    `quoted`: whether names are in quotation marks, since some have spaces or commas.
    """
    known = sorted(known)
    near, every = ([f"'{n}'" if quoted else n for n in ns] for ns in (nearest(name, known), known))
    fix = f"Did you mean {any_of(near)}?" if near else f"Known: {', '.join(every) or 'none'}"
    return KapbenchError(f"Unknown {thing} '{name}'", place=place, fix=fix)


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Names that continue a name (`dino` → `dino.vits8`), else those that are spelt alike."""
    begun = [other for other in known if name and other.lower().startswith(name.lower())]
    if begun:
        return begun[:5]
    by_lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return [by_lower[other] for other in near]


def any_of(words: Sequence[str]) -> str:
    """a, b or c."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def documentation(page: str) -> str:
    """Where a reader finds a page of the documentation: an address, or a file on this machine.

    Args:
        page: Its name below docs, with an anchor where one helps: "models.md#featuresdir".

    Returns:
        The page below the address that pyproject.toml gives as `project.urls.Documentation`, where
        the site that mkdocs builds has it; without one, the page's file in the clone or in the
        installed package.
    """
    if (address := _documentation_address()) is not None:
        return f"{address}/{page.replace('README.md', 'index.md').replace('.md', '.html', 1)}"
    package = Path(__file__).resolve().parent
    folders = [package.parent / "docs", package / "docs"]  # of a clone, of a wheel
    name, _, _ = page.partition("#")
    folder = next((folder for folder in folders if (folder / name).is_file()), folders[-1])
    return str(folder / page)


@cache
def _documentation_address() -> str | None:
    try:
        urls = metadata("kapbench").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    by_label = {label: address for label, _, address in (url.partition(", ") for url in urls)}
    address = by_label.get("Documentation")
    return None if address is None else address.rstrip("/")
