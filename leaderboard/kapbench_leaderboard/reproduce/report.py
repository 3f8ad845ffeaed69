"""The report of a repetition, for an issue: what was published, what came out here, by what."""

import json
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kapbench.running.results import Provenance, RuleCard
from kapbench.storage import file_hash, write_atomically
from kapbench_leaderboard.published.schema import ModelParts, Way
from kapbench_leaderboard.reproduce.compare_scores import Line
from kapbench_leaderboard.reproduce.outcome import Outcome
from kapbench_leaderboard.reproduce.targets import EntryTarget
from kapbench_leaderboard.tables.markdown_text import literal, pipe

OTHER_WEIGHTS = ", with other weights than the entry's"
_N_LINES = 30  # of each verdict, in the Markdown; the JSON has all


class _Reported(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Compared(_Reported):
    """As of `Line`."""

    of: str
    alpha: float
    category: str
    published: float | None
    here: float | None
    difference: float | None
    tolerance: float
    within: bool


class Report(_Reported):
    """`source`: of a published number, or the path of an entry. `command`: the run by `kapbench run`."""

    schema_version: Literal[1] = 1
    name: str
    kind: Literal["published number", "entry"]
    source: str
    address: str | None
    verdict: Literal["within tolerance", "not within tolerance"]
    other_weights: bool = False  # than those of the entry
    command: str
    reproduce_command: str | None
    model: str
    model_revision: str
    model_options: dict[str, object]
    published_model: ModelParts | None
    ways: tuple[Way, ...]
    entry_model_revision: str | None
    entry_sha256: str | None
    dataset: str
    dataset_revision: str
    split: str
    categories: tuple[str, ...]
    categories_expected: tuple[str, ...]
    n_pairs: int
    n_pairs_expected: int
    rules: tuple[RuleCard, ...]
    n_equal_points: int | None
    n_points: int | None
    lines: tuple[Compared, ...]
    notes: tuple[str, ...]
    plan_hash: str
    provenance: Provenance


def make_report(outcome: Outcome) -> Report:
    card, target, points = outcome.result.card, outcome.target, outcome.equal_points
    of_entry = isinstance(target, EntryTarget)
    return Report(
        name=target.name,
        kind="entry" if of_entry else "published number",
        source=source_of(outcome),
        address=None if isinstance(target, EntryTarget) else target.table.address,
        verdict="within tolerance" if outcome.agrees else "not within tolerance",
        other_weights=outcome.prepared.other_weights,
        command=outcome.prepared.command,
        reproduce_command=outcome.prepared.request.command,
        model=card.model.name,
        model_revision=card.model.revision,
        model_options=card.model.options,
        published_model=None if isinstance(target, EntryTarget) else target.parts,
        ways=() if isinstance(target, EntryTarget) else target.measure.ways,
        entry_model_revision=target.entry.run.model.revision
        if isinstance(target, EntryTarget)
        else None,
        entry_sha256=file_hash(target.path) if isinstance(target, EntryTarget) else None,
        dataset=card.dataset.name,
        dataset_revision=card.dataset.revision,
        split=card.dataset.split,
        categories=card.dataset.categories,
        categories_expected=card.dataset.categories_expected,
        n_pairs=card.dataset.n_pairs,
        n_pairs_expected=card.dataset.n_pairs_expected,
        rules=card.rules,
        n_equal_points=None if points is None else points.n_equal,
        n_points=None if points is None else points.n,
        lines=tuple(map(_compared, outcome.lines)),
        notes=outcome.notes,
        plan_hash=card.plan_hash,
        provenance=card.provenance,
    )


def source_of(outcome: Outcome) -> str:
    target = outcome.target
    if isinstance(target, EntryTarget):
        return f"entry {target.name}, {target.path.name}"
    return f"{target.row.method}: {target.table.source}, {target.table.table}"


def _compared(line: Line) -> Compared:
    return Compared(
        of=line.of,
        alpha=line.alpha,
        category=line.category,
        published=line.published,
        here=line.here,
        difference=line.difference,
        tolerance=line.tolerance,
        within=line.within,
    )


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Writes NAME.md and NAME.json; returns their paths. Raises KapbenchError: the disk refuses."""
    stem = re.sub(r"[^\w.+-]", "_", report.name)
    markdown, as_json = folder / f"{stem}.md", folder / f"{stem}.json"
    write_atomically(markdown, to_markdown(report).encode())
    content = json.dumps(report.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_atomically(as_json, f"{content}\n".encode())
    return markdown, as_json


def to_markdown(report: Report) -> str:
    """For an issue; what others wrote is shown literally."""
    made = report.provenance
    lines = [
        f"# {literal(report.name)}: {report.verdict}{OTHER_WEIGHTS if report.other_weights else ''}",
        literal(report.source) + (f", {literal(report.address)}" if report.address else ""),
        "\n".join(_table(report)),
        *([_points(report)] if report.n_points is not None else []),
        *(f"* {literal(note)}" for note in report.notes),
        "## How it was measured here",
        f"```\n{report.command}\n```",
        "\n".join(
            [
                pipe(("what", "value")),
                "|---|---|",
                *(pipe(row) for row in _facts(report)),
                *(pipe((name, version)) for name, version in made.packages.items()),
            ]
        ),
    ]
    return "\n\n".join(lines) + "\n"


def _table(report: Report) -> list[str]:
    """Numbers that do not agree first."""
    wrong, right = ([line for line in report.lines if line.within is w] for w in (False, True))
    shown = wrong[:_N_LINES] + right[:_N_LINES]
    rows = [
        pipe(
            (
                line.of,
                f"{line.alpha:g}",
                line.category,
                number(line.published),
                number(line.here),
                number(line.difference, sign=True),
                f"±{line.tolerance:.3g}: {'yes' if line.within else 'no'}",
            )
        )
        for line in shown
    ]
    more = len(report.lines) - len(shown)
    rest = [f"\n{more:,} more numbers are in the JSON file."] if more else []
    before = "entry" if report.kind == "entry" else "published"
    head = ("what", "α", "category", before, "here", "difference", "within")
    return [pipe(head), "|---" * len(head) + "|", *rows, *rest]


def _points(report: Report) -> str:
    assert report.n_points is not None
    share = 100 * (report.n_equal_points or 0) / report.n_points if report.n_points else 0.0
    return (
        f"Equal predicted points: {report.n_equal_points:,} of {report.n_points:,} ({share:.2f} %)."
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    made = report.provenance
    entry = report.entry_model_revision
    parts = report.published_model
    rules = ", ".join(f"{rule.name} {rule.hash}" for rule in report.rules)
    return [
        ("model", f"{report.model}, revision {report.model_revision}"),
        *([("model of the entry", f"revision {entry}")] if entry else []),
        *([("weights, as published", parts.weights)] if parts else []),
        ("data set", f"{report.dataset}, split {report.split}, revision {report.dataset_revision}"),
        ("pairs", f"{report.n_pairs:,} of {report.n_pairs_expected:,}"),
        ("categories", f"{len(report.categories)} of {len(report.categories_expected)}"),
        ("rules, with their hashes", rules),
        ("plan", report.plan_hash),
        ("records, SHA-256", made.records_sha256),
        (
            "kapbench",
            f"{made.kapbench}, scoring {made.scoring}, commit {made.git_commit or 'unknown'}",
        ),
        ("machine", f"{made.platform}, {made.device}, Python {made.python}"),
        ("started", f"{made.started}, {made.seconds:g} s"),
    ]


def number(value: float | None, *, sign: bool = False) -> str:
    """With two decimals; — where there is none."""
    if value is None:
        return "—"
    value = round(value, 2) + 0.0  # no −0.00
    text = f"{value:+.2f}" if sign else f"{value:.2f}"
    return text.replace("-", "−")
