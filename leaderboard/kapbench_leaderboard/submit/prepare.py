"""A finished run and its submission card to the three files of a submission."""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.registry import entry_of
from kapbench.running.results import RECORDS, RunCard, load_card, load_records, values_in_command
from kapbench.storage import file_hash, write_atomically
from kapbench.untrusted.refused_values import describe_value
from kapbench.untrusted.strict_text import parse_toml, read_bytes
from kapbench_leaderboard.comparison import resamples, resamples_file
from kapbench_leaderboard.entries.schema import (
    SCHEMA_VERSION,
    Entry,
    StoredFile,
    SubmissionCard,
    adapters_folder,
    entry_path,
    load_entry,
    records_path,
    resamples_path,
)
from kapbench_leaderboard.entries.untrusted_files import FEWER_COLUMNS, MEBI, MOST_BYTES
from kapbench_leaderboard.submit.adapter_trial import refuse_other_model
from kapbench_leaderboard.submit.card_template import examples, unfilled

ADAPTER_BYTES = 100 * 1024
_EXAMPLES = {"input_px": 840, "n_parameters": 86000000}
_PRINT_ONE = "Print one with `kapbench submit template`"
_THERE_ALREADY = (
    "This run's entry exists already, with the same content. Its other files were replaced"
)
BESIDE = 10 * MEBI  # larger records are an attachment


def read_card(path: Path) -> SubmissionCard:
    """
    Raises:
        KapbenchError: it cannot be read, or fields are missing or wrong; all are named at once.
    """
    try:
        content = parse_toml(read_bytes(path, _PRINT_ONE), path, fix=_PRINT_ONE)
    except KapbenchError as error:
        raise KapbenchError(
            f"The submission card cannot be read: {error.thing}", place=path, fix=_PRINT_ONE
        ) from error
    if names := unfilled(content):
        raise _not_filled_in(names, path)
    try:
        card = SubmissionCard.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(_problems(error))
        raise KapbenchError(
            f"The submission card is incomplete or wrong: {wrong}",
            place=path,
            fix="Compare it with `kapbench submit template`, which has every field",
        ) from error
    if names := examples(card):
        raise _not_filled_in(names, path)
    return card


def _problems(error: ValidationError) -> list[str]:
    """One line for each field that is missing or wrong."""
    of_field: dict[str, str] = {}
    for each in error.errors():
        field, message = ".".join(map(str, each["loc"])), describe_value(each)
        if each["type"] == "tuple_type":
            message = f'Write a list in brackets, e.g. {field} = ["{each["input"]}"]'
        elif each["type"] == "int_type" and isinstance(each["input"], str):
            message = f"Write a number without quotes, e.g. {field} = {_EXAMPLES[field]}"
        of_field.setdefault(field, message)
    return [f"{field}: {message}" for field, message in of_field.items()]


def _not_filled_in(names: list[str], path: Path) -> KapbenchError:
    return KapbenchError(
        f"The submission card was not filled in: {', '.join(names)}",
        place=path,
        fix="Replace the template's values by those of your model",
    )


def prepare(
    folder: Path,
    to: Path,
    card: Path,
    records_url: str | None = None,
    adapter: str | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a run's entry, records and resamples below `to`; returns the entry's path.

    Args:
        adapter: FILE.py:Class, which is stored beside `to` under the model's name.
        options: Options of the adapter beyond those that the run card names, e.g. weights.

    Raises:
        KapbenchError: the run cannot be accepted, the submission card is incomplete, the adapter is
            not the run's model, the entry exists with other content, or the records are too large to
            lie beside it.
    """
    run, records = load_card(folder), load_records(folder)
    _refuse(run, folder)
    run = run.model_copy(update={"label": None, "command": None})  # they are the user's own
    about, files = _card(card, run, adapter, to)
    if adapter is not None:
        refuse_other_model(adapter, run.model, run.dataset.name, options or {})
    progress = progress or Progress()
    if note := _other_command(about, run, adapter):
        progress.say(note)
    path, source = to / entry_path(run), folder / RECORDS
    stored = _stored_at(records_url, source)
    with progress.stage("resample", 1) as advance:
        resampled = resamples_file.to_bytes(resamples.make(records, run))
        advance(1)
    entry = Entry.model_validate(
        {
            "schema_version": SCHEMA_VERSION,
            "card": about,
            "run": run,
            "records": stored,
            "resamples": {"sha256": sha256(resampled).hexdigest(), "n_bytes": len(resampled)},
        }
    )
    _refuse_others(path, entry, files)
    files[resamples_path(path)] = resampled
    if records_url is None:
        files[records_path(path)] = source.read_bytes()
    if path.exists():
        progress.say(f"note: {_THERE_ALREADY}: {path}")
    else:  # last: it names the others
        files[path] = _packed(entry)
    for place, content in files.items():
        write_atomically(place, content)
    return path


def _packed(entry: Entry) -> bytes:
    return entry.model_dump_json(indent=1).encode()


def _card(
    path: Path, run: RunCard, adapter: str | None, to: Path
) -> tuple[SubmissionCard, dict[Path, bytes]]:
    """The submission card, completed with what is known, and the adapter by its place."""
    card = read_card(path)
    known: dict[str, object] = {}
    files = {}
    if adapter is not None:
        content = _adapter(adapter)
        digest = sha256(content).hexdigest()
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", run.model.name)[:80]
        name = f"{stem}-{digest[:8]}.py"
        known = {"adapter": f"{name}:{adapter.rpartition(':')[2]}", "adapter_sha256": digest}
        files[adapters_folder(to) / name] = content
    if card.seconds_per_image is None:
        known["seconds_per_image"] = run.provenance.seconds_per_image
    return SubmissionCard.model_validate(card.model_dump() | known), files


def _other_command(card: SubmissionCard, run: RunCard, adapter: str | None) -> str | None:
    """A note where the command of a submission card runs another model than the run is of."""
    for spec in values_in_command(card.command, "--model"):
        name = run.model.name
        if ":" in spec:  # a file, unless the run is of a model that is installed
            is_other = adapter is None and entry_of("models", name) is not None
        else:
            is_other = name != spec and not name.startswith(f"{spec}.")
        if is_other:
            return (
                f"note: The command of the submission card runs the model {spec}, but this run is of "
                f"{name}. Give each model a submission card of its own."
            )
    return None


def _adapter(adapter: str) -> bytes:
    source = adapter.rpartition(":")[0]
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        raise KapbenchError(
            f"The adapter cannot be read: {error.strerror or error}",
            place=adapter,
            fix="Give --adapter FILE.py:Class, or leave the option out",
        ) from error
    if len(content) > ADAPTER_BYTES:
        raise KapbenchError(
            f"The adapter has {len(content) / 1024:,.0f} KiB; {ADAPTER_BYTES // 1024} are the limit",
            place=source,
            fix="Leave --adapter out, and give the address of your code in the submission card",
        )
    return content


def _refuse_others(path: Path, entry: Entry, adapters: Mapping[Path, bytes]) -> None:
    """Refuses to write over an entry, or an adapter, of other content."""
    # As content: the bytes of an entry that was accepted before a field was thought of are others.
    if path.exists() and _packed(load_entry(path)) != _packed(entry):
        raise KapbenchError(
            "There is another submission of this run",
            place=path,
            fix="Remove it if it was never accepted; accepted results are never changed",
        )
    for place, content in adapters.items():
        if place.exists() and place.read_bytes() != content:
            raise KapbenchError(
                "There is another adapter whose sha256 begins with the same digits",
                place=place,
                fix="Change a comment in your adapter and submit it again",
            )


def _refuse(run: RunCard, folder: Path) -> None:
    if run.provenance.git_dirty:
        raise KapbenchError(
            "The run was made with uncommitted changes to kapbench, so it cannot be repeated",
            place=folder,
            fix="Commit or undo the changes, and repeat the run with `kapbench run ... --force`",
        )
    if run.dataset.limit is not None:
        raise KapbenchError(
            f"The run scored only some pairs (--limit {run.dataset.limit}), for debugging",
            place=folder,
            fix="Run the same command without --limit",
        )
    if run.dataset.alterations:
        raise KapbenchError(
            f"The run is on an altered data set: {', '.join(run.dataset.alterations)}",
            place=folder,
            fix="Run the same command on the data set as it is",
        )
    if not run.scores or run.dataset.n_pairs == 0:
        raise KapbenchError(
            "The run has no scores", place=folder, fix="Run on categories that have pairs"
        )


def _stored_at(url: str | None, source: Path) -> StoredFile:
    """Size, hash and address of a run's records."""
    size, most = source.stat().st_size, MOST_BYTES[source.suffix]
    if size > most:
        raise KapbenchError(
            f"The records have {size / MEBI:.0f} MiB; at most {most // MEBI} are accepted",
            place=source,
            fix=FEWER_COLUMNS,
        )
    if size > BESIDE and url is None:
        raise KapbenchError(
            f"The records have {size / MEBI:.0f} MiB and are too large for the repository",
            place=source,
            fix="Upload the file and give its address: --records-url https://...",
        )
    stored = {"sha256": file_hash(source), "n_bytes": size, "url": url}
    try:
        return StoredFile.model_validate(stored)
    except ValidationError as error:
        raise KapbenchError(
            f"The address of the records is wrong: {error.errors()[0]['msg']}",
            place=url,
            fix="Give --records-url https://HOST/..., a public address",
        ) from error
