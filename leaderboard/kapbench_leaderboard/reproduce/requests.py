"""The run that measures a published row or an entry again: the request that `kapbench run` makes too."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError, counted
from kapbench.isolated.places import files_in, folders_of
from kapbench.loading import load_dataset
from kapbench.protocols import Dataset
from kapbench.running.request import RunRequest
from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.entries.schema import records_path
from kapbench_leaderboard.published.load import Repeatable
from kapbench_leaderboard.reproduce.targets import EntryTarget
from kapbench_leaderboard.submit import model_again
from kapbench_leaderboard.submit.model_again import load_again
from kapbench_leaderboard.submit.reproduce import dataset_of, rules_to_compare

Typed = Callable[[str, Sequence[str]], dict[str, Any]]


@dataclass(frozen=True)
class Choices:
    """What the user chose.

    Args:
        model: Of an entry, in place of what is installed under its name.
        texts: Options of the model, KEY=VALUE as on the command line.
        typed: Makes options from texts.
        isolated: As of `model_again.Choices`; of an entry.
        command: That makes the run, quoted for a shell.
    """

    runs_root: Path
    cache_root: Path | None = None
    data_root: Path | None = None
    device: str = "auto"
    batch_size: int | None = None
    workers: int = 1
    force: bool = False
    model: str | None = None
    texts: Sequence[str] = ()
    typed: Typed = field(default=lambda _name, _texts: {})
    isolated: bool | None = None
    command: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A run to make. `words`: the same run by `kapbench run`, but for folders and machine."""

    request: RunRequest
    words: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return shlex.join(self.words)

    @property
    def model(self) -> str:
        return self.words[self.words.index("--model") + 1]


def request_of_row(row: Repeatable, chosen: Choices) -> Prepared:
    """
    Raises:
        KapbenchError: another model is chosen; the row's weights must be given; a model, rule or data
            set that is not here; or categories are missing, and the source prints averages alone.
    """
    measure, parts = row.measure, row.parts
    given = _options_given(row, chosen)
    options = {**parts.options, **measure.model_options, **given}
    names = list(dict.fromkeys(way.rule for way in measure.ways))
    rules = tuple(load_rule(name) for name in names)
    options_of_data: dict[str, Any] = {**measure.dataset_options}
    data = load_dataset(
        measure.dataset, split=measure.split, data_root=chosen.data_root, **options_of_data
    )
    categories, notes = _categories_here(row, data)
    request = RunRequest(
        parts.model,
        data,
        rules,
        split=measure.split,
        categories=categories,
        model_options=options,
        dataset_options=measure.dataset_options,
        **_common(chosen),
    )
    words = words_of_run(
        parts.model,
        options,
        measure.dataset,
        measure.dataset_options,
        measure.split,
        names,
        categories,
    )
    differs = [text for text in (measure.differs, parts.differs) if text]
    return Prepared(request, words, (*notes, *differs))


def _options_given(row: Repeatable, chosen: Choices) -> dict[str, Any]:
    """The user's options of the row's model; KapbenchError: another model, or weights are missing."""
    parts = row.parts
    if chosen.model is not None:
        raise KapbenchError(
            f"The number is one of {parts.model}, and {chosen.model} is another model",
            place=row.name,
            fix="Leave --model out, or score your model by kapbench run",
        )
    given = chosen.typed(parts.model, chosen.texts)
    for need in parts.needs:
        if need not in given:
            raise KapbenchError(
                f"{parts.model} needs its weights, which are published at {parts.weights}",
                place=row.name,
                fix=f"Download them and add -o {need}=FILE",
            )
    return given


def _categories_here(
    row: Repeatable, data: Dataset
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Categories to score, None for all; and what is missing, as sentences."""
    coverage = data.coverage
    if coverage.complete:
        return None, ()
    n, n_all = len(coverage.categories), len(coverage.categories_expected)
    printed = tuple(c for c in coverage.categories if c in row.row.categories)
    if n == n_all:
        here, every = f"{coverage.n_pairs:,}", f"{coverage.n_pairs_expected:,}"
        return None, (f"Only {here} of {every} pairs are here: equal numbers cannot be expected.",)
    if not printed:
        raise KapbenchError(
            f"{n} of {counted(n_all, 'category')} are here, and the source prints averages over all",
            place=f"{row.name}, data set {data.name}",
            fix="Complete the data set, as `kapbench list datasets` says",
        )
    note = (
        f"{n} of {counted(n_all, 'category')} are here, of which {len(printed)} have a published "
        "number: these alone are compared."
    )
    return printed, (note,)


def request_of_entry(target: EntryTarget, chosen: Choices) -> Prepared:
    """
    Raises:
        KapbenchError: the model or the data set is not here, the data set is of another revision, or
            scoring has changed every rule since.
    """
    run, path = target.entry.run, target.path
    data = dataset_of(run, path, chosen.data_root)
    names = rules_to_compare(run, path)
    hidden = [*path.resolve().parents[:3], records_path(path).resolve().parent, *folders_of(data)]
    model = load_again(
        path,
        target.entry,
        model_again.Choices(
            chosen.model,
            chosen.device,
            texts=chosen.texts,
            typed=chosen.typed,
            isolated=chosen.isolated,
        ),
        hidden + files_in([chosen.data_root]),
    )
    here = tuple(c for c in run.dataset.categories if c in data.coverage.categories)
    categories = None if {*here} == {*data.coverage.categories} else here
    request = RunRequest(
        model,
        data,
        tuple(run.rule(name) for name in names),
        categories=categories,
        **_common(chosen),
    )
    spec = chosen.model or model_again.spec(path, target.entry)
    changed = {text.partition("=")[0] for text in chosen.texts}
    kept = {key: value for key, value in run.model.options.items() if key not in changed}
    words = words_of_run(spec, kept, run.dataset.name, {}, run.dataset.split, names, categories)
    return Prepared(request, (*words, *(w for text in chosen.texts for w in ("-o", text))))


def _common(chosen: Choices) -> dict[str, Any]:
    return {
        "runs_root": chosen.runs_root,
        "cache_root": chosen.cache_root,
        "data_root": chosen.data_root,
        "device": chosen.device,
        "batch_size": chosen.batch_size,
        "workers": chosen.workers,
        "force": chosen.force,
        "command": chosen.command,
    }


def words_of_run(
    model: str,
    options: Mapping[str, Any],
    dataset: str,
    dataset_options: Mapping[str, Any],
    split: str,
    rules: Sequence[str],
    categories: Sequence[str] | None,
) -> tuple[str, ...]:
    """The words of `kapbench run`."""
    words = ["kapbench", "run", "--model", model]
    words += [w for key, value in options.items() for w in ("-o", f"{key}={_text(value)}")]
    words += ["--dataset", dataset]
    words += [
        w
        for key, value in dataset_options.items()
        for w in ("--dataset-option", f"{key}={_text(value)}")
    ]
    words += [] if split == "test" else ["--split", split]
    words += [w for category in categories or () for w in ("--category", category)]
    return tuple(words + [w for rule in rules for w in ("--rule", rule)])


def _text(value: object) -> str:
    """A value as an option on the command line."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
