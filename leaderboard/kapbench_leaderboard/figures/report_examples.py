"""What a report shows of a run's model itself: the KAP picture of two keypoints, and its features."""

import shlex
from dataclasses import dataclass

from kapbench.errors import KapbenchError
from kapbench_leaderboard.figures import feature_rows, style
from kapbench_leaderboard.figures.data_urls import Inline, photograph
from kapbench_leaderboard.figures.feature_figure import maps_picture
from kapbench_leaderboard.figures.kap_examples import Stage, telling
from kapbench_leaderboard.figures.kap_figure import kap_picture, verdict
from kapbench_leaderboard.figures.rerun_model import Sources
from kapbench_leaderboard.figures.run_view import Subject

N_IMAGES = 5


@dataclass(frozen=True, slots=True)
class Aside:
    """`absent`: why there is no picture. `command` makes it as a file."""

    about: str
    command: str
    picture: Inline | None
    absent: str | None = None


def asides(subject: Subject, sources: Sources) -> list[Aside]:
    """Pictures that need the run's model and images; without them, what they would be, and why not.

    A data set that makes its images is not built for them.
    """
    asked = telling(subject) if subject.kap is not None else []
    category = _category(subject, asked)
    try:
        stage = Stage.of(subject, sources, build=False)
    except KapbenchError as error:
        made = [_keypoint(subject, *each, None, error.thing) for each in asked]
        return [*made, _features(subject, category, None, error.thing)]
    made = [_keypoint(subject, *each, stage, None) for each in asked]
    return [*made, _features(subject, category, stage, None)]


def _category(subject: Subject, asked: list[tuple[str, int]]) -> str:
    if not asked:
        return subject.card.dataset.categories[0]
    rows = subject.records[(subject.records["pair_id"] == asked[0][0]).to_numpy(bool)]
    return str(rows["category"].iloc[0])


def _keypoint(
    subject: Subject, pair_id: str, number: int, stage: Stage | None, why: str | None
) -> Aside:
    about = f"Keypoint {number} of pair {pair_id}."
    picture = None
    if stage is not None:
        try:
            scene = stage.scene(pair_id, number)
            said = verdict(scene)
            with style.styled():
                picture = photograph(kap_picture(scene), f"Similarity over the target: {said}")
            about = f"Keypoint {number} of pair {pair_id}: {said}."
        except KapbenchError as error:
            why = error.thing
    words = [subject.card.model.name, "--pair", pair_id, "--keypoint", str(number)]
    return Aside(about, _command(words), picture, why)


def _features(subject: Subject, category: str, stage: Stage | None, why: str | None) -> Aside:
    picture = None
    if stage is not None:
        try:
            shots = feature_rows.shots_of(stage.dataset, category, N_IMAGES)
            views = [shot.view for shot in shots]
            rows = feature_rows.rows_of(stage.model, stage.dataset, views, stage.sources)
            with style.styled():
                figure = maps_picture(shots, rows)
            picture = photograph(figure, f"Feature maps of {len(shots)} images of {category}")
        except KapbenchError as error:
            why = error.thing
    about = f"Features of {category} in colour, one basis for all images."
    data = subject.card.dataset.name
    words = ["--pca", "--model", subject.card.model.name, "--dataset", data, "--category", category]
    return Aside(about, _command(words), picture, why)


def _command(words: list[str]) -> str:
    return shlex.join(["kapbench", "show", *words, "-o", "pictures"])
