"""`kapbench show`: pictures of runs, pairs, keypoints and feature maps."""

from pathlib import Path
from typing import Any

import click

from kapbench.cli.options import data_root, runs_root, shown_path, typed
from kapbench.cli.report_hook import plugin
from kapbench.errors import KapbenchError
from kapbench_leaderboard.commands.compare import named_runs

_FOLDER = click.Path(path_type=Path, file_okay=False)
_OF_A_CATEGORY, _OF_A_REPORT = 5, 20  # worst pairs, unless --worst says


@click.command()
@click.argument("runs", nargs=-1)
@runs_root
@click.option("-o", "--output", type=_FOLDER, default="pictures", show_default=True)
@click.option("--pair", metavar="ID", help="One pair: where its keypoints were moved.")
@click.option(
    "--keypoint", type=click.IntRange(0), metavar="K", help="With --pair: the KAP picture."
)
@click.option("--worst", type=click.IntRange(1), metavar="N", help="The N worst pairs.")
@click.option("--category", metavar="NAME", help="Only this category.")
@click.option("--pca", is_flag=True, help="Feature maps of models, in colour; no RUN is needed.")
@click.option("--images", default=5, show_default=True, type=click.IntRange(1, 8), help="Of --pca.")
@click.option("--split", default="test", show_default=True, help="Of --pca.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="SPEC",
    help="Of --pca, may be repeated; else the model that made RUN, where its name does not say.",
)
@click.option("--model-option", "model_options", multiple=True, metavar="KEY=VALUE")
@click.option("--dataset", metavar="SPEC", help="Of --pca; else RUN's, if it is not registered.")
@click.option("--dataset-option", "dataset_options", multiple=True, metavar="KEY=VALUE")
@click.option("--rule", "rules", multiple=True, help="A rule of RUN for KAP or PCK; or its file.")
@click.option(
    "--alpha", type=click.FloatRange(0, 1, min_open=True), help="Default: a rule's first."
)
@click.option(
    "--format", "how", type=click.Choice(["png", "svg"]), default="png", show_default=True
)
@data_root
@click.option("--cache", type=_FOLDER, help="Folder of the feature cache, as of `kapbench run`.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
def show(runs: tuple[str, ...], runs_root: Path, output: Path, **asked: Any) -> None:
    """Pictures of RUNs: run folders, folders of runs, or names of models.

    One RUN gives a page, report.html, and its bars and curves; several give bars, curves and the
    scatter of KAP over PCK.

    \b
    Examples:
      kapbench show lite0 -o pictures
      kapbench show lite0 --pair 'car/0009-0>0001-2' -o pictures
      kapbench show lite0 --pair 'car/0009-0>0001-2' --keypoint 7 -o pictures
      kapbench show lite0 --worst 20 --category car -o pictures
      kapbench show runs/synthetic.test@1a2b -o pictures
      kapbench show --pca --model lite0 --model sphere --dataset synthetic --category car -o pictures
    """  # fmt: skip
    _check(runs, asked)
    made = _maps(output, asked) if asked["pca"] else _of_runs(runs, runs_root, output, asked)
    for path in made:
        click.echo(shown_path(path))


def _check(runs: tuple[str, ...], asked: dict[str, Any]) -> None:
    if asked["pca"]:
        if runs or asked["pair"] or asked["worst"]:
            raise click.UsageError("--pca shows models and takes no RUN, --pair or --worst")
        if not asked["models"] or not asked["dataset"]:
            raise click.UsageError("--pca needs --model (may be repeated) and --dataset")
        return
    if not runs:
        raise click.UsageError("give a RUN, or --pca with --model and --dataset")
    if asked["keypoint"] is not None and asked["pair"] is None:
        raise click.UsageError("--keypoint is of a pair: add --pair ID")
    if asked["pair"] is not None and (asked["worst"] or asked["category"]):
        raise click.UsageError("--pair names one pair: leave --worst and --category out")
    if len(asked["models"]) > 1:
        raise click.UsageError("a run was made by one model: give one --model")


def _sources(offered: Any, asked: dict[str, Any]) -> Any:
    models, dataset = asked["models"], asked["dataset"]
    return offered.Sources(
        dataset=dataset,
        model=models[0] if models else None,
        data_root=asked["data_root"],
        cache=asked["cache"],
        device=asked["device"],
        dataset_options=_typed("datasets", dataset, asked["dataset_options"]),
        model_options=_typed("models", models[0] if models else None, asked["model_options"]),
    )


def _typed(kind: Any, spec: str | None, texts: tuple[str, ...]) -> dict[str, Any]:
    if texts and spec is None:
        option = "--model" if kind == "models" else "--dataset"
        raise click.UsageError(f"{option}-option needs {option} too")
    return typed(kind, spec, texts) if spec else {}


def _maps(out: Path, asked: dict[str, Any]) -> list[Path]:
    offered = plugin("show")
    made: list[Path] = offered.maps(
        asked["models"], asked["dataset"], asked["split"], asked["category"], asked["images"],
        _sources(offered, asked), out, asked["how"],
    )  # fmt: skip
    return made


def _of_runs(
    runs: tuple[str, ...], runs_root: Path, out: Path, asked: dict[str, Any]
) -> list[Path]:
    folders = list(named_runs(runs, runs_root))
    offered = plugin("show")
    subjects = [
        offered.Subject.load(f, rules=asked["rules"], alpha=asked["alpha"]) for f in folders
    ]
    how, name, n_worst = asked["how"], asked["category"], asked["worst"]
    one = any(asked[key] is not None for key in ("pair", "worst", "category"))
    if len(subjects) > 1 and one:
        raise KapbenchError(
            f"{len(subjects)} runs are meant, and the picture is of one",
            place=", ".join(runs),
            fix=f"name its folder, e.g. {shown_path(folders[0])}",
        )
    made: list[Path]
    sources = _sources(offered, asked)
    if len(subjects) > 1:
        made = offered.several(subjects, out, how)
    elif asked["keypoint"] is not None:
        made = offered.keypoint(subjects[0], asked["pair"], asked["keypoint"], sources, out, how)
    elif asked["pair"] is not None:
        made = offered.pair(subjects[0], asked["pair"], sources, out, how)
    elif name is not None and n_worst is None:
        made = offered.category(subjects[0], name, sources, out, how, _OF_A_CATEGORY)
    elif n_worst is not None:
        made = offered.worst(subjects[0].of_category(name), sources, out, how, n_worst)
    else:
        made = offered.run(subjects[0], sources, out, how, _OF_A_REPORT)
    return made
