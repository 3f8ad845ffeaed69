"""What a run card states of itself: compared with what kapbench ships, or computed from it again."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import get_args

from kapbench.errors import KapbenchError
from kapbench.protocols import Condition, Similarity
from kapbench.running.plan import hash_of_plan
from kapbench.running.results import SCHEMA_VERSION, RuleCard, RunCard
from kapbench.scoring.bootstrap import SEED
from kapbench.scoring.rules import is_shipped, load_rule
from kapbench.scoring.versions import SCORING_VERSION

OLDEST_SCORING = 2  # no rows of earlier versions were ever accepted
MOST_SECONDS = 1e8  # of a run: three years
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_VERSION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9}){0,5})[A-Za-z0-9.+_-]{0,40}")
_A_DAY = timedelta(days=1)  # clocks differ


def wrong_run_card(run: RunCard, now: datetime | None = None) -> Iterator[str]:
    """Everything in a run card that needs no records to be refuted.

    Args:
        now: The time of the check; None: by the clock.
    """
    rules = list(_wrong_rules(run))
    yield from rules
    yield from _wrong_versions(run)
    yield from _wrong_model(run)
    yield from _wrong_data(run)
    yield from _wrong_provenance(run, now or datetime.now(UTC))
    if not rules:
        yield from _wrong_plan(run)


def _wrong_rules(run: RunCard) -> Iterator[str]:
    if not run.rules:
        yield "The run was scored by no rule."
    for name, count in Counter(card.name for card in run.rules).items():
        if count > 1:
            yield f"Rule {name} is listed {count} times."
    for card in run.rules:
        if not is_shipped(card.name):
            yield f"Rule {card.name} is not shipped with kapbench, as a leaderboard's rules must be."
            continue
        of_shipped = dict(RuleCard.of(load_rule(card.name)))
        for field, value in dict(card).items():
            if value != of_shipped[field]:
                yield (
                    f"Rule {card.name} has {field} {value}, "
                    f"but the shipped rule has {of_shipped[field]}."
                )


def _wrong_versions(run: RunCard) -> Iterator[str]:
    scoring = run.provenance.scoring
    if run.schema_version > SCHEMA_VERSION:
        yield (
            f"The run card has schema {run.schema_version}, and this kapbench reads schemas up to "
            f"{SCHEMA_VERSION}."
        )
    if not OLDEST_SCORING <= scoring <= SCORING_VERSION:
        yield (
            f"The run was scored by version {scoring} of scoring, and this kapbench knows the "
            f"versions {OLDEST_SCORING} to {SCORING_VERSION}."
        )


def _wrong_model(run: RunCard) -> Iterator[str]:
    model = run.model
    if model.kind not in ("encoder", "pair", "oracle"):
        yield f"model.kind is {model.kind!r}, which no model of kapbench is."
    elif model.kind == "encoder" and model.similarity not in get_args(Similarity):
        yield f"model.similarity of an encoder is {model.similarity!r}."
    elif model.kind != "encoder" and model.similarity is not None:
        yield f"model.similarity is {model.similarity!r}, which only an encoder has."
    conditions = model.conditions_on
    if unknown := sorted(set(conditions) - set(get_args(Condition))):
        yield f"model.conditions_on has {', '.join(unknown)}, which no model is shown."
    if len(set(conditions)) < len(conditions):
        yield "model.conditions_on has a condition twice."
    if model.kind == "encoder" and "twins" in conditions:
        yield "model.conditions_on has twins, which no encoder is shown."


def _wrong_data(run: RunCard) -> Iterator[str]:
    data = run.dataset
    if data.limit is not None:
        yield f"The run scored only some pairs (--limit {data.limit}), for debugging."
    if data.alterations:
        yield f"The run is on an altered data set: {', '.join(data.alterations)}."
    if unknown := set(data.categories) - set(data.categories_expected):
        yield f"The data set has no such categories: {', '.join(sorted(unknown))}."
    if list(data.categories) != sorted(set(data.categories)):
        yield "dataset.categories is not sorted, or lists a category twice."


def _wrong_provenance(run: RunCard, now: datetime) -> Iterator[str]:
    made = run.provenance
    if run.label is not None or run.command is not None:
        yield "The run card has a label or a command, which `kapbench submit prepare` leaves out."
    if made.git_dirty:
        yield "The run was made with uncommitted changes to kapbench."
    if made.git_commit is not None and not _COMMIT.fullmatch(made.git_commit):
        yield f"provenance.git_commit is {made.git_commit!r}, which is no commit of git."
    if made.seed != SEED:
        yield f"provenance.seed is {made.seed}, but every run draws its images by seed {SEED}."
    if made.seconds > MOST_SECONDS:
        yield f"provenance.seconds is {made.seconds:g}, more than {MOST_SECONDS:g}."
    if made.seconds_per_image is not None and made.seconds_per_image > MOST_SECONDS:
        yield f"provenance.seconds_per_image is {made.seconds_per_image:g}."
    yield from _wrong_software(run)
    try:
        started = datetime.fromisoformat(made.started)
        if started.tzinfo is None or started > now + _A_DAY:
            yield f"provenance.started is {made.started}, without a time zone or in the future."
    except (ValueError, OverflowError):
        yield f"provenance.started is {made.started!r}, which is no time."


def _wrong_software(run: RunCard) -> Iterator[str]:
    made = run.provenance
    numbers = {
        "provenance.kapbench": made.kapbench,
        "provenance.python": made.python,
        **{f"provenance.packages.{name}": text for name, text in made.packages.items()},
    }
    for place, text in numbers.items():
        if _release(text) is None:
            yield f"{place} is {text!r}, which is no version."
    release = _release(made.kapbench)
    if release is not None and release > _release_of_kapbench():
        yield (
            f"The run was made by kapbench {made.kapbench}, which is newer than this one.\n"
            "  fix: Upgrade kapbench: pip install --upgrade kapbench"
        )


def _release(text: str) -> tuple[int, ...] | None:
    """The numbers of a version such as 2.13.0+cpu; None: the text is no version."""
    match = _VERSION.fullmatch(text)
    return None if match is None else tuple(map(int, match[1].split(".")))


def _release_of_kapbench() -> tuple[int, ...]:
    try:
        return _release(version("kapbench")) or ()
    except PackageNotFoundError:  # a checkout that is not installed
        return (10**9,)


def _wrong_plan(run: RunCard) -> Iterator[str]:
    data = run.dataset
    try:
        rules = [run.rule(card.name) for card in run.rules]
        plan = hash_of_plan(
            run.model, data, data.pairs_hash, rules, run.provenance.scoring, data.limit
        )
    except (KapbenchError, ValueError) as error:
        yield f"plan_hash cannot be computed again: {error}."
        return
    if run.plan_hash != plan:
        yield f"plan_hash is {run.plan_hash}, but that of the run card's contents is {plan}."
