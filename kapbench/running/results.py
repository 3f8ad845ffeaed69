"""The run folder: run.json, the run card that people and a leaderboard read, and records.parquet."""

import shlex
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer

from kapbench.errors import KapbenchError, unknown
from kapbench.protocols import KEYPOINTS, ModelInfo
from kapbench.running.records_file import SCORE_AGAIN, StoredRecords
from kapbench.scoring.rules import Decode, PckRule, Rule, is_shipped, load_rule
from kapbench.scoring.score_table import Score
from kapbench.storage import file_hash, write_atomically
from kapbench.untrusted.refused_values import describe_first
from kapbench.untrusted.regular_files import read_regular
from kapbench.untrusted.strict_text import json_value

SCHEMA_VERSION = 2  # 2: label, command, dataset.limit; all are optional
CARD, RECORDS = "run.json", "records.parquet"


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    left_out: ClassVar[tuple[str, ...]] = ()  # the fields that run.json lacks where they are empty

    @model_serializer(mode="wrap")
    def _without_empty(self, dump: Callable[["_Card"], Any]) -> dict[str, Any]:
        return {k: v for k, v in dump(self).items() if v or k not in self.left_out}


class ModelCard(_Card):
    name: str
    revision: str
    kind: str  # encoder, pair or oracle
    conditions_on: tuple[str, ...]
    similarity: str | None
    supervision: str  # "none", or what it was trained with
    trained_on: str | None
    options: dict[str, Any] = Field(default_factory=dict)
    window: int | None = Field(default=None, ge=1)  # as of `ModelInfo`, as are the next two
    over: tuple[str, ...] = ()
    licence: str | None = None
    left_out = ("window", "over", "licence")

    @property
    def supervised(self) -> bool:
        """As of `ModelInfo`."""
        return self.supervision == KEYPOINTS


def reads_annotation(model: ModelInfo | ModelCard) -> bool:
    """Whether a model is a control that reads the answer.

    Its scores follow from the annotation and the grid: they estimate nothing and have no interval.
    """
    return model.kind == "oracle"


class DatasetCard(_Card):
    """`images_by_category`: of the scored pairs; run cards of earlier versions do not have it.

    `remarks`: what its files leave in doubt, as sentences; left out of run.json without any.
    `alterations`: what was changed in the data set, e.g. reverse; left out without any.
    """

    name: str
    revision: str
    split: str
    licence: str
    categories: tuple[str, ...]
    categories_expected: tuple[str, ...]
    n_pairs: int
    n_pairs_expected: int
    n_images: int
    images_by_category: dict[str, int] = Field(default_factory=dict)
    pairs_hash: str
    limit: int | None = None  # so many pairs were asked for, for debugging; None: all
    remarks: tuple[str, ...] = ()
    alterations: tuple[str, ...] = ()
    left_out = ("images_by_category", "remarks", "alterations")


class RuleCard(_Card):
    """`headline`: the averages within and over categories of the number that the rule is quoted by.

    `definition`: the whole rule, where kapbench does not ship it; left out of run.json otherwise.
    """

    name: str
    hash: str
    metric: Literal["kap", "pck"]
    headline: tuple[str, str]
    alphas: tuple[float, ...]
    definition: Rule | None = Field(default=None, discriminator="metric")
    left_out = ("definition",)

    @classmethod
    def of(cls, rule: Rule) -> "RuleCard":
        card = cls.model_validate(rule, from_attributes=True)
        # A rule file cannot take the name of another rule.
        return card if is_shipped(rule.name) else card.model_copy(update={"definition": rule})


class Provenance(_Card):
    """`isolated`: what an isolated model was kept from; left out of run.json for other models."""

    kapbench: str
    scoring: int  # version of what turns maps into rows and rows into scores
    python: str
    packages: dict[str, str]
    git_commit: str | None
    git_dirty: bool | None
    platform: str
    device: str
    started: str
    seconds: float = Field(ge=0)
    seed: int = Field(ge=0)
    records_sha256: str
    seconds_per_image: float | None = Field(default=None, ge=0)  # from file to features
    isolated: tuple[Literal["process", "files", "network", "processes"], ...] = ()
    left_out = ("isolated",)


class RunCard(_Card):
    schema_version: int = Field(ge=1, strict=True)
    label: str | None = None  # the user's name for the run; part of no identity
    command: str | None = None  # that made the run, quoted for a shell
    model: ModelCard
    dataset: DatasetCard
    rules: tuple[RuleCard, ...]
    plan_hash: str
    provenance: Provenance
    scores: tuple[Score, ...]
    remarks: tuple[str, ...] = ()  # on the model's maps, as sentences; left out without any
    left_out = ("remarks",)

    def score(
        self,
        rule: str,
        metric: str,
        alpha: float,
        category: str,
        *,
        average: str,
        split: str = "all",
    ) -> Score | None:
        """The score with exactly these keys, or None."""
        return self._by_keys.get((rule, metric, alpha, category, average, split))

    def headline(
        self, rule: Rule | RuleCard, alpha: float, category: str | None = None
    ) -> Score | None:
        """The score that a rule is quoted by, or the same of one category; None as of `score`."""
        average, over = rule.headline
        return self.score(rule.name, rule.metric, alpha, category or over, average=average)

    def rule(self, name: str) -> Rule:
        """A rule that this run was scored by.

        Args:
            name: A rule's name or file.

        Raises:
            KapbenchError: the run was not scored by it, or by other choices under the same name;
                or the rule is neither stored in the run card nor shipped.
        """
        hashes = {card.name: card.hash for card in self.rules}
        place = f"run of {self.model.name} on {self.dataset.name}"
        rule = load_rule(name) if name.endswith(".json") else self._stored_rule(name, place)
        if rule is None or rule.name not in hashes:
            raise unknown("rule", name, hashes, place=place)
        if rule.hash != hashes[rule.name]:
            raise KapbenchError(
                f"The run was scored by another version of rule {rule.name}: its hash is "
                f"{hashes[rule.name]}, and {name} has {rule.hash}",
                place=place,
                fix="Score the model again with this version of the rule",
            )
        return rule

    def decode(self, rule: PckRule) -> Decode:
        """How a rule decodes the maps of this run's model."""
        return rule.decode_for(self.model.supervised, self.model.window)

    def _stored_rule(self, name: str, place: str) -> Rule | None:
        card = next((card for card in self.rules if card.name == name), None)
        if card is None or card.definition is not None:
            return None if card is None else card.definition
        if not is_shipped(name):
            raise KapbenchError(
                f"The run was scored by the rule file of '{name}', which its run card does not hold",
                place=place,
                fix=f"Repeat the run: kapbench run --force --model {self.model.name} "
                f"--dataset {self.dataset.name} --rule FILE.json",
            )
        return load_rule(name)

    @cached_property
    def _by_keys(self) -> dict[tuple[str, str, float, str, str, str], Score]:
        """The first score of each: a table of many models looks up thousands."""
        rows = reversed(self.scores)
        return {(r.rule, r.metric, r.alpha, r.category, r.average, r.split): r for r in rows}


def values_in_command(command: str | None, long: str, short: str | None = None) -> list[str]:
    """Values that a command line gives to an option, e.g. of --option or -o; none where it is unknown.

    Args:
        command: As a shell reads it, e.g. `RunCard.command`.
    """
    try:
        words = shlex.split(command or "")
    except ValueError:  # a quotation mark is open
        return []
    values = []
    for word, after in pairwise([*words, ""]):
        if word in (long, short):
            values.append(after)
        elif word.startswith(f"{long}="):
            values.append(word.removeprefix(f"{long}="))
    return values


def find_runs(root: Path) -> list[Path]:
    """Folders of finished runs below `root`, sorted."""
    return sorted(path.parent for path in root.rglob(CARD))


def load_card(folder: Path) -> RunCard:
    """Raises KapbenchError: there is no run, its schema is newer, or its run card is damaged."""
    path = folder / CARD
    try:
        content = json_value(read_regular(path))
        version = int(content["schema_version"])
    except FileNotFoundError as error:
        raise KapbenchError(
            "This folder holds no finished run",
            place=folder,
            fix="Choose one that `kapbench list runs` shows",
        ) from error
    except KeyError as error:
        raise KapbenchError(
            "The run card cannot be read: The key schema_version is missing",
            place=path,
            fix=SCORE_AGAIN,
        ) from error
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise KapbenchError(
            f"The run card cannot be read: {error}", place=path, fix=SCORE_AGAIN
        ) from error
    if version > SCHEMA_VERSION:
        raise KapbenchError(
            f"The run card has schema {version}; this kapbench reads schemas up to "
            f"{SCHEMA_VERSION}",
            place=path,
            fix="Install a newer version: pip install --upgrade kapbench",
        )
    try:
        return RunCard.model_validate(content)
    except ValidationError as error:
        raise KapbenchError(
            f"The file is not a valid run card. {describe_first(error)}",
            place=path,
            fix=SCORE_AGAIN,
        ) from error


def open_records(folder: Path) -> StoredRecords:
    """The records of a finished run, to be read by the column.

    Raises:
        KapbenchError: they are missing, or not the file that the run card was written for.
    """
    check_records(folder)
    return StoredRecords(folder / RECORDS, load_card(folder).dataset.categories)


def load_records(folder: Path) -> pd.DataFrame:
    """The whole records table of a finished run; raises as `open_records`."""
    return open_records(folder).table()


def check_records(folder: Path) -> None:
    """KapbenchError where records are missing, or not those that the run card was written for."""
    path = folder / RECORDS
    card = load_card(folder)
    if not path.exists() or file_hash(path) != card.provenance.records_sha256:
        raise KapbenchError(
            "The records are missing or were changed after the run", place=path, fix=SCORE_AGAIN
        )


def save_run(folder: Path, card: RunCard) -> None:
    write_atomically(folder / CARD, card.model_dump_json(indent=1).encode())
