"""What is stored of an accepted run: `<dataset>/<model>/<run-id>.json` and two files beside it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from kapbench.errors import KapbenchError
from kapbench.paths import list_files
from kapbench.running.results import RunCard
from kapbench.untrusted.refused_values import describe_first
from kapbench.untrusted.regular_files import read_regular
from kapbench.untrusted.strict_text import json_value

SCHEMA_VERSION = 1
MOST_BYTES = 5 * 2**20  # of an entry
_FIX = "Write entries with `kapbench submit prepare`"
ADAPTERS = "adapters"
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^<>\x00-\x1f]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A file's name below the folder of adapters, with the head of its sha256; and the class in it.
_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}-[0-9a-f]{8}\.py"
Adapter = Annotated[str, Field(pattern=rf"^{_FILE}:[A-Za-z_][A-Za-z0-9_]{{0,99}}$")]
Supervision = Literal["none", "viewpoint", "masks", "keypoints", "answer"]


_INSIDE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa")


def is_public(url: HttpUrl) -> bool:
    """Whether an address is encrypted, and names a host outside of private networks."""
    labels = (url.host or "").rstrip(".").lower().split(".")
    # Numbers, however they were written, are an IP address: no top-level domain has a digit first.
    inside = len(labels) < 2 or labels[-1] in _INSIDE or not labels[-1][:1].isalpha()
    return url.scheme == "https" and not inside


def _public(url: HttpUrl) -> HttpUrl:
    if not is_public(url):
        raise ValueError("Give an https address with the name of a public host")
    return url


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SubmissionCard(_Stored):
    """What a run cannot know of its model; its authors write it as card.toml."""

    title: Line
    authors: tuple[Line, ...] = Field(min_length=1)
    paper: HttpUrl | None = None
    code: HttpUrl | None = None
    licence: Line
    backbone: Line
    weights_sha256: Sha256 | None = None
    supervision: tuple[Supervision, ...] = Field(min_length=1)
    training_data: Line
    input_px: int = Field(gt=0, le=100_000, strict=True)
    n_parameters: int = Field(ge=0, le=10**15, strict=True)
    seconds_per_image: float | None = Field(default=None, ge=0, le=86_400)
    command: Line
    notes: Annotated[str, Field(max_length=2000, pattern=r"^[^<>]*$")] = ""
    adapter: Adapter | None = (
        None  # this and its hash are set by `kapbench submit prepare --adapter`
    )
    adapter_sha256: Sha256 | None = None


class StoredFile(_Stored):
    """A file of a submission: beside its JSON under its own name, or elsewhere at `url`."""

    sha256: Sha256
    n_bytes: int = Field(gt=0)
    url: Annotated[HttpUrl, AfterValidator(_public)] | None = None


class Entry(_Stored):
    """One accepted run. Every score of `run` is computed again from `records`."""

    schema_version: int = Field(ge=1, strict=True)
    card: SubmissionCard
    run: RunCard
    records: StoredFile
    resamples: StoredFile


def run_id(run: RunCard) -> str:
    """Name of a run's files: one plan, one place."""
    return run.plan_hash


def entry_path(run: RunCard) -> Path:
    """Where a run stands below the folder of results."""
    model = run.model.name.replace("/", "_").replace(":", "_")
    return Path(run.dataset.name) / model / f"{run_id(run)}.json"


def records_path(entry: Path) -> Path:
    return entry.with_suffix(".parquet")


def resamples_path(entry: Path) -> Path:
    return entry.with_suffix(".safetensors")


def adapters_folder(results: Path) -> Path:
    """Where adapters that were submitted lie: beside the folder of results."""
    return results.resolve().parent / ADAPTERS


def adapter_spec(path: Path, entry: Entry) -> str | None:
    """FILE.py:Class of the adapter that came with an entry; None: none did."""
    adapter = entry.card.adapter
    results = path.resolve().parent.parent.parent
    return None if adapter is None else str(adapters_folder(results) / adapter)


def adapter_path(path: Path, entry: Entry) -> Path | None:
    """The file of the adapter that came with an entry."""
    spec = adapter_spec(path, entry)
    return None if spec is None else Path(spec.rpartition(":")[0])


def files_of(path: Path) -> list[Path]:
    """The files of an entry that are here: itself, its records and resamples, and its adapter."""
    adapter = adapter_path(path, load_entry(path))
    files = [
        path,
        records_path(path),
        resamples_path(path),
        *([] if adapter is None else [adapter]),
    ]
    return [file for file in files if file.exists()]


def load_entry(path: Path) -> Entry:
    """
    Raises:
        KapbenchError: it cannot be read, has a newer schema, or a field is wrong; it is named.
    """
    try:
        text = read_regular(path, MOST_BYTES, follow_link=False)
        content = json_value(text)
        version = int(content["schema_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KapbenchError(
            f"This is not a leaderboard entry: {error}", place=path, fix=_FIX
        ) from error
    if version > SCHEMA_VERSION:
        raise KapbenchError(
            f"The entry has schema {version}, and this kapbench reads schemas up to {SCHEMA_VERSION}",
            place=path,
            fix="Upgrade kapbench: pip install --upgrade kapbench",
        )
    try:
        return Entry.model_validate_json(text, strict=True)  # "1" is no 1, and 1.0 is none
    except ValidationError as error:
        raise KapbenchError(
            f"This is not a leaderboard entry. {describe_first(error)}", place=path, fix=_FIX
        ) from error


def find_entries(root: Path) -> list[Path]:
    """Every entry below a folder of results, sorted."""
    return list_files(root, "**/*.json")
