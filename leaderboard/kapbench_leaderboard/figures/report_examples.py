"""What a report shows of a run's model: KAP on two keypoints, and the model's features."""

import shlex
from dataclasses import dataclass

from kapbench.errors import KapbenchError
from kapbench_leaderboard.figures import captions, feature_rows, style
from kapbench_leaderboard.figures.data_urls import Inline, photograph
from kapbench_leaderboard.figures.feature_figure import draw_feature_maps
from kapbench_leaderboard.figures.kap_examples import Rerun, choose_examples
from kapbench_leaderboard.figures.kap_figure import describe, draw_kap
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Sources

N_IMAGES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """`figure` or `why_absent`: why there is none. `command` writes the figure to a file."""

    caption: str
    command: str
    figure: Inline | None
    why_absent: str | None = None


def draw_examples(run: RunView, sources: Sources) -> list[Example]:
    """Figures that need the run's model and images, or the reason why they are absent.

    A data set that makes its images is not built for them.
    """
    keypoints = choose_examples(run) if run.kap is not None else []
    category = _category(run, keypoints)
    rerun: Rerun | KapbenchError
    try:
        rerun = Rerun.of(run, sources, build=False)
    except KapbenchError as error:
        rerun = error
    examples = [_keypoint(run, pair_id, keypoint, rerun) for pair_id, keypoint in keypoints]
    return [*examples, _features(run, category, rerun)]


def _category(run: RunView, keypoints: list[tuple[str, int]]) -> str:
    if not keypoints:
        return run.card.dataset.categories[0]
    rows = run.records[(run.records["pair_id"] == keypoints[0][0]).to_numpy(bool)]
    return str(rows["category"].iloc[0])


def _keypoint(run: RunView, pair_id: str, keypoint: int, rerun: Rerun | KapbenchError) -> Example:
    caption = f"Keypoint {keypoint} of pair {pair_id}."
    command = _command("keypoint", run.card.model.name, pair_id, str(keypoint))
    try:
        if isinstance(rerun, KapbenchError):
            raise rerun
        example = rerun.example(pair_id, keypoint)
    except KapbenchError as error:
        return Example(caption, command, None, error.thing)
    description = describe(example)
    with style.styled():
        figure = photograph(draw_kap(example), f"Similarity over the target: {description}")
    caption = f"Keypoint {keypoint} of pair {pair_id}: {description}."
    return Example(caption, command, figure)


def _features(run: RunView, category: str, rerun: Rerun | KapbenchError) -> Example:
    model, data = run.card.model.name, run.card.dataset.name
    command = _command("features", "--model", model, "--dataset", data, "--category", category)
    caption = f"Features of {category} in colour, with one basis for all images."
    try:
        if isinstance(rerun, KapbenchError):
            raise rerun
        tiles = feature_rows.choose_tiles(rerun.dataset, category, N_IMAGES)
        views = [tile.view for tile in tiles]
        rows = feature_rows.rows_of(rerun.model, rerun.dataset, views, rerun.sources)
    except KapbenchError as error:
        return Example(caption, command, None, error.thing)
    with style.styled():
        alt = f"Feature maps of {len(tiles)} images of {category}"
        subject = captions.data_words(run.card.dataset, category)
        figure = draw_feature_maps(tiles, rows, subject)
        return Example(caption, command, photograph(figure, alt))


def _command(*words: str) -> str:
    return shlex.join(["kapbench", "show", *words, "-o", "pictures"])
