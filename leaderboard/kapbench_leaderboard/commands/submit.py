"""`kapbench submit`: a run for the leaderboard, prepared, checked or run again."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kapbench.cli.options import data_root, shown_path, typed
from kapbench.cli.report_hook import plugin
from kapbench.errors import KapbenchError
from kapbench_leaderboard.submit.adapter_trial import tried

if TYPE_CHECKING:
    from kapbench.progress import Progress

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, type=_FILE)
@click.option("--to", type=_FILE, help="Folder of results to prepare a submission in.")
@click.option("--card", type=_FILE, help="What you say of your model (TOML).")
@click.option("--card-template", is_flag=True, help="Print a card to fill in.")
@click.option("--records-url", metavar="URL", help="Where records above 10 MiB can be had.")
@click.option("--check", is_flag=True, help="Check entries, or all below folders.")
@click.option("--base", metavar="REVISION", help="With --check: results that must be unchanged.")
@click.option("--fetch", is_flag=True, help="With --check: get records that lie elsewhere.")
@click.option(
    "--adapter", metavar="FILE.py:Class", help="Submit this adapter too; with --check: test it."
)
@click.option("--adapters", is_flag=True, help="Test the adapters that came with entries.")
@click.option("--records", type=_FILE, help="Records that lie elsewhere than beside the one entry.")
@click.option("--reproduce", type=click.IntRange(1), metavar="N", help="Run N pairs again.")
@click.option("--model", metavar="SPEC", help="With --reproduce: where the adapter is.")
@click.option(
    "-o", "--option", "options", multiple=True, metavar="KEY=VALUE",
    help="With --reproduce: of the model, e.g. weights=FILE.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="With --reproduce.")
@click.option("--tolerance", type=click.FloatRange(0), help="With --reproduce: largest difference.")
@click.option("--manifest", is_flag=True, help="Write the manifest of a run's data set to --to.")
@data_root
def submit(
    paths: tuple[Path, ...],
    to: Path | None,
    card: Path | None,
    card_template: bool,
    records_url: str | None,
    check: bool,
    base: str | None,
    fetch: bool,
    adapter: str | None,
    adapters: bool,
    records: Path | None,
    reproduce: int | None,
    model: str | None,
    options: tuple[str, ...],
    device: str,
    tolerance: float | None,
    manifest: bool,
    data_root: Path | None,
) -> None:
    """Prepare a finished run for the leaderboard; check or repeat submissions.

    \b
    Examples:
      kapbench submit --card-template > card.toml
      kapbench submit runs/.../RUN --to leaderboard/results --card card.toml
      kapbench submit --check leaderboard/results
      kapbench submit runs/.../RUN --to leaderboard/results --card card.toml --adapter my.py:MyModel
      kapbench submit --check --adapter my.py:MyModel leaderboard/results/spair/mine
      kapbench submit --reproduce 64 leaderboard/results/spair/mine/RUN.json
    """
    offered = plugin("submit")
    if card_template:
        click.echo(offered.TEMPLATE, nl=False)
        return
    if not paths:
        raise click.UsageError("give a run folder, an entry or a folder of results")
    if check or adapters:
        given = [adapter] if adapter and check else []
        try:
            for part in _checks(offered, paths, base, records, given, check, adapters, fetch):
                _say(*part)
        except KapbenchError as error:  # a report is what is asked for, whatever it says
            _say(offered.refused_text("the check", [str(error)]), False)
    elif reproduce is not None:
        for path in paths:
            spec = offered.model_spec(path) if options and not model else model
            report = offered.reproduce_text(
                path, reproduce, model=model, data_root=data_root, device=device,
                tolerance=tolerance, records=records, progress=_progress(),
                options=typed("models", spec, options) if spec else {},
            )  # fmt: skip
            _say(*report)
    elif manifest:
        for path in paths:
            click.echo(shown_path(offered.make_manifest(path, _there(to))))
    else:
        _prepare(offered, paths, _there(to), card, records_url, adapter)


def _there(to: Path | None) -> Path:
    if to is None:
        raise click.UsageError("--to FOLDER says where, or give --check or --reproduce N")
    return to


def _prepare(
    offered: Any,
    paths: tuple[Path, ...],
    to: Path,
    card: Path | None,
    records_url: str | None,
    adapter: str | None,
) -> None:
    if card is None:
        raise click.UsageError("--card FILE says what the model is: see --card-template")
    for path in paths:
        made = offered.prepare(path, to, card, records_url, adapter, _progress())
        click.echo(shown_path(made))
    click.echo(f"next: kapbench submit --check {shown_path(to)}; then commit, open a pull request")


def _checks(
    offered: Any,
    paths: tuple[Path, ...],
    base: str | None,
    records: Path | None,
    given: list[str],
    check: bool,
    adapters: bool,
    fetch: bool,
) -> Iterator[tuple[str, bool]]:
    """Reports, and whether each is content. Files first: an adapter is a stranger's code."""
    if check:
        yield offered.check_all(paths, base, records, fetch=fetch, progress=_progress())
    named = offered.adapters(paths, base) if adapters else []
    for spec, entry in [*((spec, None) for spec in given), *named]:
        run = None if entry is None else entry.run
        found = tried(spec) if run is None else tried(spec, run.model, run.dataset.name)
        what = f"{spec}: the contract of adapters"
        yield offered.trial_text(what, found), not found


def _progress() -> "Progress":
    from kapbench.progress import Progress

    return Progress(show=sys.stderr.isatty(), log=lambda line: click.echo(line, err=True))


def _say(report: str, good: bool) -> None:
    click.echo(report, nl=False)
    if not good:
        raise SystemExit(1)
