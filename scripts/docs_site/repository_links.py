"""Links as GitHub follows them, from file to file of the repository, on a site made of docs/.

Some files beside docs/ become pages of the site. A link to any other file of the repository
becomes the file's name, since the site does not hold it.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = "repository"  # of the site, for pages whose files lie beside docs/
BESIDE_DOCS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "leaderboard/README.md",
)
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<link>[^)\s]+)\)")
_CODE = re.compile(r"(^ *```.*?^ *```[^\n]*$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Markdown by name on the site, of the files beside docs/."""
    return {f"{FOLDER}/{name}": (ROOT / name).read_text(encoding="utf-8") for name in BESIDE_DOCS}


def on_site(markdown: str, page: str) -> str:
    """The page's text with its links changed; code stays as it is.

    Args:
        page: Its name on the site, e.g. "datasets/spair.md".
    """
    parts = _CODE.split(markdown)  # odd parts are code
    joined = _rejoin_linked_code(parts)
    return "".join(
        part if is_block else _LINK.sub(lambda match: _changed(match, page), part)
        for part, is_block in joined
    )


def _rejoin_linked_code(parts: list[str]) -> list[tuple[str, bool]]:
    """Text and blocks of code; a word of code between brackets belongs to the text."""
    joined: list[tuple[str, bool]] = []
    for position, part in enumerate(parts):
        is_block = position % 2 == 1 and part.lstrip().startswith("```")
        if not is_block and joined and not joined[-1][1]:
            joined[-1] = (joined[-1][0] + part, False)
        else:
            joined.append((part, is_block))
    return joined


def _changed(match: re.Match[str], page: str) -> str:
    link = match["link"]
    path, mark, anchor = link.partition("#")
    if "://" in link or link.startswith("mailto:") or not path:
        return match.group()
    file = posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(page)), path))
    target = _on_site(file)
    if target is None:
        return match["text"]
    relative = posixpath.relpath(target, posixpath.dirname(page) or ".")
    return f"{match['image']}[{match['text']}]({relative}{mark}{anchor})"


def _in_repository(page: str) -> str:
    return page.removeprefix(f"{FOLDER}/") if page.startswith(f"{FOLDER}/") else f"docs/{page}"


def _on_site(file: str) -> str | None:
    """The site's name of a file of the repository; None where the site does not hold it."""
    if file in ("docs/README.md", "README.md", "docs"):
        return "index.md"
    if file in BESIDE_DOCS:
        return f"{FOLDER}/{file}"
    if not file.startswith("docs/"):
        return None
    if (ROOT / file).is_dir():
        pages_of_folder = [
            name for name in ("README.md", "card.md") if (ROOT / file / name).is_file()
        ]
        return f"{file.removeprefix('docs/')}/{pages_of_folder[0]}" if pages_of_folder else None
    return re.sub(r"\.ipynb$", ".md", file.removeprefix("docs/"))
