"""Writes the tables and figures of docs/diagnosis.md: python docs/make_diagnosis_page.py"""

from dataclasses import replace
from pathlib import Path

from kapbench_leaderboard.diagnosis.load import Choice, Named, diagnosed
from kapbench_leaderboard.diagnosis.markup import markdown
from kapbench_leaderboard.diagnosis.overview import overview
from kapbench_leaderboard.diagnosis.page import plain
from kapbench_leaderboard.diagnosis.pages import page_of
from kapbench_leaderboard.diagnosis.pictures import write_picture
from kapbench_leaderboard.entries.as_runs import entry_runs

DOCS = Path(__file__).parent
PAGE = DOCS / "diagnosis.md"
RESULTS = DOCS.parent / "leaderboard" / "results"
DATASETS = {"spair": "SPair-71k, five categories", "synthetic": "`synthetic`"}
BASELINE, OTHER = "lite0", "sphere.lite0"
BEGIN, END = "<!-- begin:", "<!-- end -->"


def write(page: Path, images: Path) -> None:
    """Replaces what stands between the two marks of the page, and the figures that it shows."""
    parts = []
    for dataset, title in DATASETS.items():
        named = diagnosed(entry_runs(RESULTS / dataset), Choice())
        by_label = {each.label: each for each in named}
        pair = [by_label[BASELINE], by_label[OTHER]]
        bars = write_picture(named, "bars", images / f"diagnosis-{dataset}.png")
        steps = write_picture(pair, "waterfall", images / f"diagnosis-{dataset}-sphere.png")
        parts.append(_section(title, named, pair, (bars.name, steps.name)))
    text = page.read_text(encoding="utf-8")
    start = text.index("\n", text.index(BEGIN)) + 1
    made = "\n" + "\n".join(parts)
    page.write_text(text[:start] + made + text[text.index(END) :], encoding="utf-8")


def _section(title: str, named: list[Named], pair: list[Named], pictures: tuple[str, str]) -> str:
    bars, steps = pictures
    page = page_of(pair)
    change = replace(page, sentences=page.sentences[:1])  # the others stand above, with all entries
    return "\n".join(
        [
            f"### {title}\n",
            f"![One bar for each entry: KAP, then what each type of error costs](images/{bars})\n",
            markdown(plain(overview(named))),
            f"#### What the sphere repairs: {OTHER} against {BASELINE}\n",
            f"![Steps from the KAP of {BASELINE} to that of {OTHER}](images/{steps})\n",
            markdown(plain(change), with_notes=False),
        ]
    )


if __name__ == "__main__":
    write(PAGE, DOCS / "images")
    print(PAGE)
