"""`kapbench match`: where points of one image lie in others, by any model."""

import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kapbench.cli.grouped_help import GroupedCommand, gathered
from kapbench.cli.options import FILE, cache_folder, offline, shown_path, typed
from kapbench.errors import KapbenchError, counted, name_first
from kapbench_leaderboard.commands.chosen_weights import advice_for_model_option, weights_for_option
from kapbench_leaderboard.commands.loading_options import model_device, model_option
from kapbench_leaderboard.commands.match_targets import target_files
from kapbench_leaderboard.commands.output_option import outputs_option
from kapbench_leaderboard.commands.print_reports import terminal_width

if TYPE_CHECKING:
    import numpy as np

    from kapbench.matching.image_pair import NamedImage
    from kapbench.matching.matcher import Matcher
    from kapbench.progress import Progress
    from kapbench_leaderboard.commands.match_text import MatchNumbers
    from kapbench_leaderboard.figures.match_files import MatchWriter

_NUMBER = r"[+-]?\d+(?:\.\d*)?"
HEADINGS = {
    "What to match": "--model --model-option --at --points --category --source-mask --target-mask "
    "--weights-for",
    "What to write": "--output --lines --quiet",
    "Where things are": "--cache --offline --device",
}


@dataclass(frozen=True)
class MatchOptions:
    """What the user chose."""

    models: tuple[str, ...]
    model_options: tuple[str, ...]
    at: tuple[str, ...]
    n_points: int
    category: str | None
    source_mask: Path | None
    target_mask: Path | None
    weights_for: str
    outputs: tuple[Path, ...]
    lines: bool
    quiet: bool
    cache_root: Path
    device: str

    def progress(self) -> "Progress":
        from kapbench.progress import Progress

        return Progress(show=not self.quiet, log=lambda text: click.echo(text, err=True))


_options = gathered(
    "chosen",
    MatchOptions,
    click.option(
        "--model",
        "models",
        multiple=True,
        metavar="NAME",
        help="A name of `kapbench list models`, hf:NAME, timm:NAME, or FILE.py:CLASS. Repeat it for "
        "models side by side.",
    ),
    model_option,
    click.option(
        "--at",
        multiple=True,
        metavar="X,Y",
        help="A point of the source in pixels, x to the right, y down. Repeat it for more. Default: "
        "a regular set of points, both ways.",
    ),
    click.option(
        "--points",
        "n_points",
        type=click.IntRange(1, 2000),
        default=64,
        show_default=True,
        help="About how many points a regular set has.",
    ),
    click.option("--category", metavar="NAME", help="For a model that looks at the category."),
    click.option(
        "--source-mask",
        type=FILE,
        help="An image that is white on the object of SOURCE. Regular points lie on it, and a model "
        "that looks at masks is shown it.",
    ),
    click.option("--target-mask", type=FILE, help="The same for TARGET, of which there is one."),
    weights_for_option,
    outputs_option(
        "outputs", "Write the figure (.png, .pdf, .svg) or the numbers (.json). Repeat it for more."
    ),
    click.option("--lines", is_flag=True, help="Join mutual matches of a regular set by lines."),
    click.option("-q", "--quiet", is_flag=True, help="No progress bar."),
    cache_folder,
    offline,
    model_device,
)


@click.command(cls=GroupedCommand, headings=HEADINGS)
@click.argument("source", metavar="SOURCE", type=click.Path(path_type=Path))
@click.argument(
    "targets", metavar="TARGET...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@_options
def match(source: Path, targets: tuple[Path, ...], chosen: MatchOptions) -> None:
    """Match points of SOURCE in TARGET, two images of any kind, without annotation.

    For each point: the best match, its score, and the second peak, which is the best other place
    farther than a tenth of the longer side. Without --at, a regular set of points is matched both
    ways. TARGET may be a folder, and there may be several; those that cannot be read are named, and
    the others go on.

    \b
    Examples:
      kapbench match cat1.jpg cat2.jpg --model sphere --at 120,80 --at 60,200
      kapbench match cat1.jpg cat2.jpg --model sphere --at 120,80 -o match.png
      kapbench match cat1.jpg cat2.jpg --model lite0 --model sphere -o both.pdf
      kapbench match cat1.jpg photographs/ --model sphere --at 120,80 -o match.pdf
      kapbench match cat1.jpg cat2.jpg --model my_adapter.py:MyModel -o match.json
    """
    if not chosen.models:
        raise click.UsageError(
            "Name a model: --model lite0 comes with kapbench, and `kapbench list models` shows all."
        )
    chosen_points = [_parsed(text) for text in chosen.at]
    files = target_files(source, targets)
    _check(chosen, files)
    _refuse_among_targets(chosen.outputs, targets)
    from kapbench.matching.image_pair import read_image
    from kapbench.matching.points import checked_points
    from kapbench_leaderboard.commands.match_text import match_text

    image = read_image(source, chosen.source_mask, name="source")
    points = checked_points(chosen_points, image.size, image.name) if chosen_points else None
    by_target, paths, failed = _match_all(image, files, points, chosen)
    if by_target:
        click.echo(match_text(by_target, width=terminal_width()), nl=False)
        for path in paths:
            click.echo(shown_path(path))
        if not paths:
            command = shlex.join(["kapbench", *sys.argv[1:], "-o", "match.png"])
            click.echo(f"picture: {command}")
    if failed:
        raise KapbenchError(
            f"{counted(len(failed), 'target')} of {len(files)} could not be matched",
            place=name_first(failed),
            fix="The messages above say why; the others were matched",
        )


def _parsed(text: str) -> tuple[float, float]:
    """A point of --at. UsageError where it is not X,Y."""
    numbers = re.fullmatch(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*", text)
    if numbers is None:
        raise click.UsageError(f"--at {text}: write X,Y in pixels, e.g. --at 120,80.")
    return float(numbers[1]), float(numbers[2])


def _check(chosen: MatchOptions, files: Sequence[Path]) -> None:
    """What is wrong with the options, before a model is loaded."""
    from kapbench_leaderboard.figures.match_figure import MAX_MODELS
    from kapbench_leaderboard.figures.match_files import check_ending

    for path in chosen.outputs:
        check_ending(path)
    if len(set(chosen.models)) < len(chosen.models):
        raise click.UsageError("A model is named twice. Name it once.")
    if len(chosen.models) > MAX_MODELS:
        raise click.UsageError(f"At most {MAX_MODELS} models stand side by side.")
    if chosen.target_mask is not None and len(files) > 1:
        raise click.UsageError("--target-mask is of one target, and there are several.")
    if chosen.lines and chosen.at:
        raise click.UsageError("--lines joins matches of a regular set. Leave --at or --lines out.")


def _refuse_among_targets(outputs: Sequence[Path], targets: Sequence[Path]) -> None:
    """KapbenchError where the next command would take a picture of this one for a target."""
    folders = [target.resolve() for target in targets if target.is_dir()]
    for path in outputs:
        if path.suffix == ".png" and path.resolve().parent in folders:
            raise KapbenchError(
                "The picture would lie among the images that are matched",
                place=path,
                fix="Write it to another folder: the next command would match it too",
            )


def _match_all(
    source: "NamedImage", files: Sequence[Path], points: "np.ndarray | None", chosen: MatchOptions
) -> "tuple[list[list[MatchNumbers]], list[Path], list[str]]":
    """The numbers of each target by each model, the files, and the targets that failed."""
    from kapbench.matching.image_pair import read_image
    from kapbench_leaderboard.figures.match_files import MatchWriter

    progress = chosen.progress()
    writers = [MatchWriter(path, len(files), chosen.lines) for path in chosen.outputs]
    by_target, failed = [], []
    with ExitStack() as stack:
        with advice_for_model_option():
            matchers = [stack.enter_context(_opened(name, chosen)) for name in chosen.models]
        advance = stack.enter_context(progress.stage("targets", len(files)))
        for file in files:
            try:
                target = read_image(file, chosen.target_mask, name="target")
                of_models = _match_one(matchers, source, target, points, chosen, writers)
            except KapbenchError as error:
                if len(files) == 1:
                    raise
                failed.append(str(file))
                progress.say(f"Error: {error}")
            else:
                by_target.append(of_models)
            advance(1)
    paths = [path for writer in writers if by_target for path in writer.finish(failed)]
    return by_target, paths, failed


def _opened(model: str, chosen: MatchOptions) -> AbstractContextManager["Matcher"]:
    from kapbench.matching.matcher import open_matcher

    return open_matcher(
        model,
        options=typed("models", model, chosen.model_options),
        category=chosen.category,
        dataset=chosen.weights_for,
        device=chosen.device,
        cache=chosen.cache_root,
    )


def _match_one(
    matchers: "Sequence[Matcher]",
    source: "NamedImage",
    target: "NamedImage",
    points: "np.ndarray | None",
    chosen: MatchOptions,
    writers: "Sequence[MatchWriter]",
) -> "list[MatchNumbers]":
    of_models = [m.match(source, target, points, n_points=chosen.n_points) for m in matchers]
    for writer in writers:
        writer.add(of_models)
    return [matches.to_dict() for matches in of_models]
