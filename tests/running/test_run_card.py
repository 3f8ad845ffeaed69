"""What a run's folder says, and who may read it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_world
from tiny_world import RULES, TinyDataset, TinyEncoder, TinyPairModel, evaluate

from kapbench.errors import KapbenchError
from kapbench.running.results import RunCard, find_runs, load_card, load_records, save_run


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return evaluate(tmp_path_factory.mktemp("card"), intervals=True)


def test_the_card_says_what_was_run(done):
    card = load_card(done.folder)
    assert card == done.card
    assert (card.model.name, card.model.kind, card.model.similarity) == (
        "tiny-encoder",
        "encoder",
        "dot",
    )
    assert card.model.supervision == "none"
    assert (card.dataset.n_pairs, card.dataset.n_images) == (24, 8)
    assert card.dataset.categories == ("cat", "dog")
    assert [r.name for r in card.rules] == [r.name for r in RULES]
    assert [r.hash for r in card.rules] == [r.hash for r in RULES]
    assert card.provenance.packages["numpy"] == np.__version__
    assert card.provenance.device == "cpu"


def test_the_card_counts_the_images_of_each_category(done):
    records = load_records(done.folder)
    expected = {
        name: len({*rows["source_image"], *rows["target_image"]})
        for name, rows in records.groupby("category", observed=False)
    }
    assert done.card.dataset.images_by_category == expected
    assert sum(expected.values()) == done.card.dataset.n_images


def test_a_card_of_an_earlier_version_has_no_counts_and_is_written_without_them(done):
    content = json.loads((done.folder / "run.json").read_text())
    del content["dataset"]["images_by_category"]
    earlier = RunCard.model_validate(content)
    assert earlier.dataset.images_by_category == {}
    assert json.loads(earlier.model_dump_json()) == content


def test_a_control_that_reads_the_annotation_has_scores_without_intervals(tmp_path):
    card = evaluate(tmp_path, model="oracle", intervals=True).card
    assert card.scores
    assert all(score.low is None and score.high is None for score in card.scores)


def test_a_result_is_printed_briefly(done):
    first, *scores, folder = repr(done).splitlines()
    assert first.startswith("ResultSet: tiny-encoder@")
    assert first.endswith(", split test, 24 pairs")
    assert [line.split(":")[0].strip() for line in scores] == [rule.name for rule in RULES]
    assert folder.strip() == str(done.folder)
    assert len(repr(done)) < 1000


def test_remarks_of_the_data_set_are_part_of_the_card(tmp_path, done):
    """A data set without remarks, and every older run card, has no such key."""
    assert done.card.dataset.remarks == ()
    assert "remarks" not in json.loads((done.folder / "run.json").read_text())["dataset"]
    dataset = TinyDataset()
    dataset.remarks = ("3 boxes are missing", "One file is read twice")
    again = evaluate(tmp_path, dataset=dataset)
    assert again.card.dataset.remarks == dataset.remarks
    assert load_card(again.folder).dataset.remarks == dataset.remarks


def test_the_folder_is_named_by_data_model_rules_and_plan(done):
    data, model, _, plan = done.folder.parts[-4:]
    assert data == "tiny.test@1"
    assert re.fullmatch(r"tiny-encoder@1\+[0-9a-f]{8}", model)
    assert plan == done.card.plan_hash


def test_the_card_is_plain_json_without_nan(done):
    text = (done.folder / "run.json").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert content["schema_version"] == 2
    # The viewpoint splits ask nothing of some categories: None, with n = 0.
    empty = [s for s in content["scores"] if s["n"] == 0]
    assert empty
    assert all(s["value"] is None for s in empty)
    assert RunCard.model_validate_json(text) == done.card


def test_records_are_in_the_data_sets_order(done):
    records = load_records(done.folder)
    expected = [
        (p.pair_id, k)
        for p in TinyDataset().pairs()
        for k in np.flatnonzero(p.source.keypoints.visible)
    ]
    assert list(zip(records["pair_id"], records["keypoint"], strict=True)) == expected


@pytest.mark.parametrize("model", [TinyEncoder, TinyPairModel])
def test_an_image_that_shows_no_keypoint(tmp_path, model):
    """As a source it asks nothing; as a target everything is absent."""
    rules = tiny_world.RULES
    dataset = TinyDataset(blind=("cat/1",), categories=("cat",))
    done = evaluate(tmp_path, model(), dataset, rules)
    of_source = done.records["source_image"].astype(str)
    of_target = done.records["target_image"].astype(str)
    assert "cat/1" not in set(of_source)
    assert not done.records.loc[of_target == "cat/1", "target_visible"].any()
    assert done.card.score("kap-cvpr24", "kap", 0.1, "mean", average="category").value > 0


def test_a_category_whose_every_target_is_blind_has_n_and_no_value(tmp_path):
    # Two images only see each other; one is blind: every source keypoint is absent.
    dataset = TinyDataset(blind=("dog/0", "dog/1", "dog/2"))
    done = evaluate(tmp_path, dataset=dataset, intervals=True)
    dog = done.card.score("kap-cvpr24", "kap", 0.1, "dog", average="category")
    mean = done.card.score("kap-cvpr24", "kap", 0.1, "mean", average="category")
    assert (dog.value, mean.value, mean.low) == (None, None, None)
    assert dog.n > 0


@pytest.fixture
def copied(done, tmp_path) -> Path:
    return Path(shutil.copytree(done.folder, tmp_path / "copy"))


def edit(folder: Path, **changes) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_newer_schema_is_refused(copied):
    edit(copied, schema_version=3)
    with pytest.raises(
        KapbenchError, match="schema 3; this kapbench reads schemas up to 2"
    ) as caught:
        load_card(copied)
    assert "upgrade" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"schema_version": "new"}', "cannot be read"),
        ('{"schema_version": null}', "cannot be read"),
        ('{"schema_version": 1}', "not a valid run card"),
        ("\x00\udcff", "cannot be read"),
    ],
)
def test_a_damaged_card_is_named(copied, content, message):
    (copied / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(KapbenchError, match=message) as caught:
        load_card(copied)
    assert str(copied / "run.json") in str(caught.value)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(KapbenchError, match="no finished run"):
        load_card(tmp_path)


@pytest.mark.parametrize("change", ["byte", "gone"])
def test_records_that_were_changed_are_refused(copied, change):
    path = copied / "records.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.unlink()
    if change == "byte":
        path.write_bytes(content)
    with pytest.raises(KapbenchError, match="missing or were changed") as caught:
        load_records(copied)
    assert str(path) in str(caught.value)


def test_a_card_round_trips(done, tmp_path):
    save_run(tmp_path, done.card)
    assert load_card(tmp_path) == done.card


def test_runs_are_found(done, tmp_path):
    root = done.folder.parents[3]
    assert find_runs(root) == [done.folder]
    assert find_runs(tmp_path / "nowhere") == []
