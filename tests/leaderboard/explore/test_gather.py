"""Which images, pairs and models a page holds, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from command_line import DOTS
from explored import Filters, content_of
from PIL import Image
from submissions import dots

import kapbench
from kapbench.errors import KapbenchError
from kapbench.models.controls import Random
from kapbench.progress import Progress
from kapbench_leaderboard.explore import gather
from kapbench_leaderboard.explore.dataset_page import write_dataset_page
from kapbench_leaderboard.explore.features import check_encoder
from kapbench_leaderboard.explore.page import render_page
from kapbench_leaderboard.explore.payload import RULES
from kapbench_leaderboard.explore.select_pairs import Selection, select_pairs
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Sources


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder, module = tmp_path_factory.mktemp("dots"), dots()
    runs = [
        kapbench.evaluate(
            model,
            module.Dots(n_images=6),
            rule=(*RULES, "pck-v1"),
            runs=folder,
            cache=folder / "cache",
            device="cpu",
            intervals=False,
        )
        for model in (module.Colours(), module.Greys())
    ]
    return [RunView.load(run.folder) for run in runs]


def loaded(cache: Path) -> Sources:
    options = {"n_images": 6}
    return Sources(f"{DOTS}:Dots", f"{DOTS}:Colours", cache=cache, dataset_options=options)


def of_run(view, cache, selection, photographs=True):
    return gather.from_runs(
        [view], selection, loaded(cache), photographs=photographs, progress=Progress()
    )


def test_a_page_of_a_run_holds_its_pairs_and_their_records(views, tmp_path):
    content = of_run(views[0], tmp_path, Selection(0, pair_ids=("dot:1-0", "dot:0-2", "dot:1-0")))
    assert [p.pair.pair_id for p in content.pairs] == ["dot:1-0", "dot:0-2"]
    assert [(p.source, p.target) for p in content.pairs] == [(0, 1), (1, 2)]
    assert [image.label for image in content.images] == ["dot/1", "dot/0", "dot/2"]
    assert set(content.models[0].records["pair_id"]) == {"dot:1-0", "dot:0-2"}
    assert content.dataset.are_photographs
    assert content.images[0].size_px == 56.0
    assert content.categories["dot"].twins.tolist() == [1, 0, 2, 3]


def test_photographs_need_permission(views, tmp_path):
    with pytest.raises(KapbenchError, match=r"photographs of dots \(licence: none\)") as error:
        of_run(views[0], tmp_path, Selection(2), photographs=False)
    assert "--photographs" in error.value.fix


def test_pairs_are_spread_or_the_worst(views):
    records = views[0].records
    every = list(dict.fromkeys(records["pair_id"].astype(str)))
    spread = select_pairs(views, Selection(4))
    assert [every.index(pair) for pair in spread] == [7, 22, 37, 52]
    assert select_pairs(views, Selection(10**6)) == every
    assert {p.partition(":")[0] for p in select_pairs(views, Selection(9, category="spot"))} == {
        "spot"
    }
    worst = select_pairs(views[::-1], Selection(3, worst=True))
    rows = views[1].records
    means = views[1].is_correct(rows)[rows["target_visible"].to_numpy(bool)].mean()
    of_worst = rows["pair_id"].isin(worst).to_numpy() & rows["target_visible"].to_numpy(bool)
    assert views[1].is_correct(rows)[of_worst].mean() < means


def test_wrong_choices_are_refused(views, tmp_path):
    with pytest.raises(KapbenchError, match="dot:0-9"):
        select_pairs(views, Selection(1, pair_ids=("dot:0-9",)))
    with pytest.raises(KapbenchError, match="category"):
        select_pairs(views, Selection(1, category="ring"))
    with pytest.raises(KapbenchError, match="--load-model names one model"):
        gather.from_runs(
            views, Selection(1), loaded(tmp_path), photographs=True, progress=Progress()
        )
    with pytest.raises(KapbenchError, match="looks at both images") as error:
        check_encoder(Random())
    assert "kapbench match" in error.value.fix


def photograph(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_image_files_need_no_annotation(tmp_path):
    paths = [photograph(tmp_path / folder / "same.png", i) for i, folder in enumerate("ab")]
    spec = f"{DOTS}:Colours"
    content = gather.from_photographs(paths, [spec], Sources(cache=tmp_path), Progress())
    assert [image.label for image in content.images] == ["same.png (1)", "same.png (2)"]
    assert content.dataset is None
    page = render_page(content)
    assert str(tmp_path) not in page  # folders may be private
    with pytest.raises(KapbenchError, match="One image"):
        gather.from_photographs(paths[:1], [spec], Sources(cache=tmp_path), Progress())


def test_an_image_annotated_in_two_ways_is_two_images(tmp_path):
    dataset = dots().Dots()
    first, second = dataset.pairs()[0], dataset.pairs()[0]
    second.target.keypoints.xy[0] += 1
    content = gather.from_pairs(
        dataset, [first, second], [Filters()], Sources(cache=tmp_path), Progress()
    )
    assert [(p.source, p.target) for p in content.pairs] == [(0, 1), (0, 2)]


def test_no_text_of_a_data_set_ends_a_script(tmp_path):
    dataset = dots().Dots()
    content = content_of(dataset, tmp_path, Filters())
    evil = "</script><script>alert(1)</script>"
    content.categories["dot"].names[0] = evil
    page = render_page(content)
    assert evil not in page
    assert page.count("<script") == 2 + len(content.images) * 2 + 1


@pytest.mark.slow  # renders images
def test_a_page_of_rendered_images_needs_no_run(tmp_path):
    sources, out = Sources(cache=tmp_path), tmp_path / "page.html"
    summary = write_dataset_page(
        ["pixels"], "synthetic.small", out, n_pairs=2, progress=Progress(), sources=sources
    )
    assert (summary.path, summary.n_pairs) == (out, 2)
    assert summary.n_bytes == out.stat().st_size
    assert "rendered by kapbench" in out.read_text(encoding="utf-8")
    assert "Lwheel1" in out.read_text(encoding="utf-8")
    with pytest.raises(KapbenchError, match="looks at both images"):
        write_dataset_page(["random"], "synthetic.small", out, progress=Progress())
