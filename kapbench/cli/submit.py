"""`kapbench submit`: a run for the leaderboard, prepared, checked or run again."""

from pathlib import Path
from typing import Any

import click

from kapbench.cli.board import plugin
from kapbench.cli.options import data_root, shown_path
from kapbench.errors import KapbenchError

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, type=_FILE)
@click.option("--to", type=_FILE, help="Folder of results to prepare a submission in.")
@click.option("--card", type=_FILE, help="What you say of your model (TOML).")
@click.option("--card-template", is_flag=True, help="Print a card to fill in.")
@click.option("--records-url", metavar="URL", help="Where records above 10 MiB can be had.")
@click.option("--check", is_flag=True, help="Check entries, or all below folders.")
@click.option("--base", metavar="REVISION", help="With --check: results that must be unchanged.")
@click.option("--adapter", metavar="FILE.py:Class", help="With --check: test this adapter too.")
@click.option("--records", type=_FILE, help="Records that lie elsewhere than beside the entry.")
@click.option("--reproduce", type=click.IntRange(1), metavar="N", help="Run N pairs again.")
@click.option("--model", metavar="SPEC", help="With --reproduce: where the adapter is.")
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
    adapter: str | None,
    records: Path | None,
    reproduce: int | None,
    model: str | None,
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
      kapbench submit --check --adapter my_adapter.py:MyModel leaderboard/results/spair/mine
      kapbench submit --reproduce 64 leaderboard/results/spair/mine/RUN.json
    """
    offered = plugin("submit")
    if card_template:
        click.echo(offered.TEMPLATE, nl=False)
        return
    if not paths:
        raise click.UsageError("give a run folder, an entry or a folder of results")
    if adapter is not None:
        _contract(adapter)
    if check:
        _say(*offered.check_all(paths, base, records))
    elif reproduce is not None:
        for path in paths:
            report = offered.reproduce_text(
                path, reproduce, model=model, data_root=data_root, device=device,
                tolerance=tolerance, records=records,
            )  # fmt: skip
            _say(*report)
    else:
        _prepare(offered, paths, to, None if manifest else card, records_url, manifest=manifest)


def _prepare(
    offered: Any,
    paths: tuple[Path, ...],
    to: Path | None,
    card: Path | None,
    records_url: str | None,
    *,
    manifest: bool,
) -> None:
    if to is None:
        raise click.UsageError("--to FOLDER says where, or give --check or --reproduce N")
    if card is None and not manifest:
        raise click.UsageError("--card FILE says what the model is: see --card-template")
    for path in paths:
        made = (
            offered.make_manifest(path, to)
            if manifest
            else offered.prepare(path, to, card, records_url)
        )
        click.echo(shown_path(made))
    if not manifest:
        click.echo(
            f"next: kapbench submit --check {shown_path(to)}; then commit, open a pull request"
        )


def _say(report: str, good: bool) -> None:
    click.echo(report, nl=False)
    if not good:
        raise SystemExit(1)


def _contract(spec: str) -> None:
    from kapbench.contract import broken
    from kapbench.evaluation import load_model

    found = broken(load_model(spec, device="cpu"))
    if found:
        raise KapbenchError(
            f"the adapter breaks its contract: {'; '.join(found)}",
            place=spec,
            fix="docs/adapters.md says what a model owes",
        )
    click.echo(f"in order  {spec}: the contract of adapters")
