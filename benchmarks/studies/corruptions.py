"""How far KAP and PCK of three models over one backbone drop on corrupted images of SPair-71k.

    python benchmarks/studies/corruptions.py --model lite0 --model sphere \\
        --model "geoaware.supervised weights=FILE" --page docs/studies/corruptions.md
    python benchmarks/studies/corruptions.py --images 3 --category cat --severity 5   # a trial

Scores all pairs of the test split between a few images of each category, the same for every model and
corruption, and prints the table of relative drops as Markdown, with paired 95 % intervals. An image is
encoded once for all models over one backbone. What is finished is kept below --runs, so that the same
command goes on where it stopped. `kapbench train geoaware.supervised --backbone lite0 --dataset spair`
makes the weights. Results: docs/studies/corruptions.md.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import pandas as pd

import kapbench
from kapbench.datasets.altering.altered import Altered
from kapbench.datasets.altering.corruption_names import parse_corruptions
from kapbench.protocols import Dataset
from kapbench.storage import fingerprint, write_atomically
from kapbench.types import Coverage, Pair, View

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
MODELS = ("lite0", "sphere")
CORRUPTIONS = ("gaussian_noise", "defocus_blur", "fog", "jpeg_compression")
SEVERITIES = (1, 3, 5)
RULES = ("kap-cvpr24", "pck-sd-dino")


class FewImages(Altered):
    """The pairs between `n` images of each category, which are chosen by a hash of their ids."""

    def __init__(self, original: Dataset, n: int) -> None:
        remark = f"Only pairs between {n} images of each category are scored"
        super().__init__(original, f"{n}-images", remark)
        kept: set[str] = set()
        for category in original.categories:
            ids = [view.image_id for view in original.views([category])]
            kept |= set(sorted(ids, key=fingerprint)[:n])
        object.__setattr__(self, "kept", kept)

    def pairs(self, categories: Sequence[str] | None = None) -> list[Pair]:
        pairs = self.original.pairs(categories)
        return [p for p in pairs if {p.source.image_id, p.target.image_id} <= self.kept]

    def views(self, categories: Sequence[str] | None = None) -> list[View]:
        return [view for view in self.original.views(categories) if view.image_id in self.kept]

    @property
    def coverage(self) -> Coverage:
        whole, n = self.original.coverage, len(self.pairs())
        return Coverage(whole.categories, whole.categories_expected, n, n)


def markdown(drops: pd.DataFrame) -> str:
    """A row for each model and corruption, a column for each metric and severity."""
    severities = sorted(drops["severity"].unique())
    metrics = list(dict.fromkeys(drops["metric"]))
    head = [f"{metric.upper()}, {s}" for metric in metrics for s in severities]
    lines = [["model", "corruption", *head], ["---"] * (2 + len(head))]
    for (model, corruption), rows in drops.groupby(["model", "corruption"], sort=False):
        cells = rows.set_index(["metric", "severity"])
        by_column = [_drop(cells.loc[(m, s)]) for m in metrics for s in severities]
        lines.append([str(model), str(corruption).replace("_", " "), *by_column])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _drop(row: pd.Series) -> str:
    text = f"{100 * row['drop']:.0f} ({100 * row['low']:.0f} … {100 * row['high']:.0f})"
    return text.replace("-", "−")


def clean_scores(drops: pd.DataFrame) -> str:
    """The scores on clean images, from which the drops are counted."""
    clean = drops.groupby(["model", "metric"], sort=False)["clean"].first().unstack()  # noqa: PD010
    lines = [["model", *(str(metric).upper() for metric in clean.columns)]]
    lines.append(["---"] * len(lines[0]))
    lines += [[str(model), *(f"{100 * v:.1f}" for v in row)] for model, row in clean.iterrows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(drops: pd.DataFrame, pairs: Sequence[Pair], n_images: int) -> str:
    """What the page shows: how much was scored, the clean scores, and the drops."""
    scored = (
        f"{len(pairs):,} pairs of {n_images:,} images. Rules: {' and '.join(RULES)}, alpha 0.10."
    )
    words = "Drop in % of the clean score, by severity:"
    return f"{scored}\n\n{clean_scores(drops)}\n\n{words}\n\n{markdown(drops)}"


def write_page(page: Path, text: str) -> None:
    """Puts the tables between the page's two marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    content = f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
    write_atomically(page, content.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="spair")
    parser.add_argument(
        "--model", action="append", dest="models", help="A name and KEY=VALUE options."
    )
    parser.add_argument("--corruption", action="append", dest="corruptions")
    parser.add_argument("--severity", action="append", dest="severities", type=int)
    parser.add_argument("--category", action="append", dest="categories")
    parser.add_argument("--images", type=int, default=7, help="Of each category.")
    parser.add_argument("--runs", type=Path, default=Path("runs/corruptions"))
    parser.add_argument("--page", type=Path, help="The page whose tables are written anew.")
    chosen = parser.parse_args()
    severities = ",".join(map(str, chosen.severities or SEVERITIES))
    names = chosen.corruptions or CORRUPTIONS
    corruptions = [pair for n in names for pair in parse_corruptions(f"{n}:{severities}")]
    data = FewImages(kapbench.load_dataset(chosen.dataset), chosen.images)
    pairs, n_images = data.pairs(chosen.categories), len(data.views(chosen.categories))
    print(f"{len(pairs):,} pairs of {n_images:,} images", flush=True)
    results = []
    for model, *options in map(shlex.split, chosen.models or MODELS):
        for corruption in (None, *(f"{name}:{severity}" for name, severity in corruptions)):
            results.append(
                kapbench.evaluate(
                    model,
                    data,
                    corrupt=corruption,
                    rule=RULES,
                    categories=chosen.categories,
                    runs=chosen.runs,
                    intervals=False,
                    **dict(option.split("=", 1) for option in options),
                )
            )
            print(f"{process_time():6.0f} s CPU: {model}, {corruption or 'clean'}", flush=True)
    drops = kapbench.corruption_drops(*results, rule=RULES)
    text = tables(drops, pairs, n_images)
    print(f"\n{text}")
    if chosen.page is not None:
        write_page(chosen.page, text)


if __name__ == "__main__":
    main()
