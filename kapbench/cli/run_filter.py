"""Which finished runs are meant: the options that choose among runs of one name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.errors import KapbenchError, counted

if TYPE_CHECKING:
    from kapbench.running.results import RunCard


@dataclass(frozen=True)
class RunFilter:
    """Which of the named runs are meant: those on a data set, and of exactly these categories.

    `one_dataset`: where a name has runs on a data set and on the same one reversed or corrupted,
    those on it unaltered are meant.
    """

    dataset: str | None = None
    categories: tuple[str, ...] = ()
    one_dataset: bool = False

    def of(self, runs: "Mapping[Path, RunCard]") -> "dict[Path, RunCard]":
        """Raises KapbenchError where no run is left."""
        left = {folder: card for folder, card in runs.items() if self._takes(card)}
        if not left:
            scored = {
                f"{c.dataset.name} ({', '.join(c.dataset.categories)})" for c in runs.values()
            }
            raise KapbenchError(
                f"None of {counted(len(runs), 'named run')} is {self}",
                fix=f"They are on {'; '.join(sorted(scored))}",
            )
        return left

    def of_name(self, name: str, runs: "Mapping[Path, RunCard]") -> "dict[Path, RunCard]":
        """The runs that a name means, not a folder's path. Those left out are noted on stderr."""
        if not self.one_dataset:
            return dict(runs)
        unaltered = {
            (card.dataset.name, card.dataset.split)
            for card in runs.values()
            if not card.dataset.alterations
        }
        left_out = {
            folder: card
            for folder, card in runs.items()
            if card.dataset.alterations
            and (card.dataset.name, card.dataset.split) in unaltered
            and self._takes(card)
        }
        if left_out:
            altered = {", ".join(card.dataset.alterations) for card in left_out.values()}
            click.echo(
                f"note: runs of {name} on altered data are left out ({'; '.join(sorted(altered))}). "
                "Name the folder of a run instead to choose it.",
                err=True,
            )
        return {folder: card for folder, card in runs.items() if folder not in left_out}

    def _takes(self, card: "RunCard") -> bool:
        data = card.dataset
        names = (None, data.name, f"{data.name}.{data.split}")
        of_dataset = self.dataset in names or _name_after_loading(self.dataset or "") == data.name
        return of_dataset and (not self.categories or {*data.categories} == {*self.categories})

    def __str__(self) -> str:
        dataset = "" if self.dataset is None else f"on the data set {self.dataset}"
        categories = ", ".join(self.categories) and f"of {', '.join(self.categories)} alone"
        return " and ".join(filter(None, (dataset, categories)))


def _name_after_loading(spec: str) -> str | None:
    """The name of a data set that is given as KIND:FILE: coco.my of coco:folder/my.json."""
    kind, colon, file = spec.partition(":")
    return f"{kind}.{Path(file).stem}" if colon else None


def read_cards(folders: Iterable[Path]) -> "dict[Path, RunCard]":
    """Run cards by folder. One that cannot be read is noted on stderr, and hides no other."""
    from kapbench.running.results import load_card

    cards = {}
    for folder in folders:
        try:
            cards[folder] = load_card(folder)
        except KapbenchError as error:
            note_left_out(error)
    return cards


def lies_under_model(folder: Path, name: str) -> bool:
    """Whether a run folder, DATA@REVISION/MODEL@REVISION/RULES/PLAN, is named for a model."""
    from kapbench.running.run_folder import legal_name

    return any(part.startswith(f"{legal_name(name)}@") for part in folder.parts[-3:-1])


def note_left_out(error: KapbenchError) -> None:
    click.echo(f"A run is left out. {error}", err=True)


EVERY_RUN = RunFilter()
of_dataset = click.option(
    "--dataset", metavar="NAME", help="Take only runs on this data set, e.g. spair."
)
of_categories = click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="NAME",
    help="Take only runs that were scored on this category alone; repeat it for runs on several.",
)
