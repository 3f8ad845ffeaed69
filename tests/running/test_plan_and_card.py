"""What identifies a run, what its folder says, and who may read it."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tiny_world
from tiny_world import RULES, TinyDataset, TinyEncoder, TinyPairModel, evaluate

from kapbench.errors import KapbenchError
from kapbench.running import provenance as provenance_module
from kapbench.running.plan import make_plan, model_kind, rules_named
from kapbench.running.progress import Progress
from kapbench.running.results import RunCard, find_runs, load_card, load_records, save_run
from kapbench.running.runner import run_folder
from kapbench.scoring.rules import load_rule


def plan_of(model=None, dataset=None, rules=RULES, categories=None):
    return make_plan(model or TinyEncoder(), dataset or TinyDataset(), rules, categories)


def keypoint_model():
    model = TinyEncoder()
    model.supervision = "keypoints"
    return model


@pytest.mark.parametrize(
    "changed",
    [
        {"model": TinyEncoder(name="other")},
        {"model": TinyEncoder(revision="2")},
        {"model": TinyEncoder(conditions_on=("mask",))},
        {"model": TinyEncoder(similarity="neg_l2")},
        {"model": keypoint_model()},
        {"dataset": TinyDataset(name="other")},
        {"dataset": TinyDataset(revision="2")},
        {"dataset": TinyDataset(split="val")},
        {"categories": ("cat",)},
        {"rules": RULES[:2]},
        {"rules": RULES[::-1]},
        {"rules": [RULES[0].model_copy(update={"empty": "zero"}), *RULES[1:]]},
    ],
    ids=str,
)
def test_whatever_matters_changes_the_plan(changed):
    assert plan_of(**changed).hash != plan_of().hash


def test_what_does_not_matter_does_not(monkeypatch):
    first = plan_of()
    monkeypatch.setattr("kapbench.running.plan.SHARD_PAIRS", 3)
    assert plan_of().hash == first.hash
    assert (
        plan_of(TinyEncoder(conditions_on=("mask", "category"))).hash
        == plan_of(TinyEncoder(conditions_on=("category", "mask"))).hash
    )


@pytest.mark.parametrize("shard_pairs", [1, 3, 4, 1000])
def test_shards_hold_every_pair_once_and_a_target_whole(monkeypatch, shard_pairs):
    monkeypatch.setattr("kapbench.running.plan.SHARD_PAIRS", shard_pairs)
    plan = plan_of()
    placed = [item for s in plan.shards for item in zip(s.places, s.pairs, strict=True)]
    places = sorted(place for place, _ in placed)
    assert places == list(range(24))
    assert all(plan.pairs[place] is pair for place, pair in placed)
    holders: dict[str, set[int]] = {}
    for shard in plan.shards:
        for pair in shard.pairs:
            holders.setdefault(pair.target.image_id, set()).add(shard.number)
    assert all(len(numbers) == 1 for numbers in holders.values())
    assert len(plan.shards) == -(-8 // -(-shard_pairs // 3))


@pytest.fixture
def rule_file(tmp_path):
    """Writes kap-v1 under another name, with changes, into a file that is named first."""

    def write(name: str, **changes) -> str:
        content = load_rule("kap-v1").model_dump(mode="json") | {"name": "mine"} | changes
        (tmp_path / name).write_text(json.dumps(content))
        return str(tmp_path / name)

    return write


def test_one_name_for_two_rules_is_refused(rule_file):
    one, other = rule_file("one.json"), rule_file("other.json", empty="zero")
    with pytest.raises(KapbenchError, match="two different rules are named 'mine'") as caught:
        rules_named([one, other], TinyDataset())
    assert caught.value.place == other
    same = rule_file("same.json", summary="in other words")
    assert [r.name for r in rules_named([one, "pck-v1", same], TinyDataset())] == ["mine", "pck-v1"]


@pytest.mark.parametrize("change", [{"has_absent": False}, {"size_from": "image"}])
def test_the_default_rules_are_those_that_the_data_set_defines(change):
    metrics = [r.metric for r in rules_named([], TinyDataset(**change))]
    assert metrics
    assert set(metrics) == {"pck"}
    assert {r.metric for r in rules_named([], TinyDataset())} == {"kap", "pck"}
    plan_of(dataset=TinyDataset(**change), rules=rules_named([], TinyDataset(**change)))


def test_kinds():
    assert model_kind(TinyEncoder()) == "encoder"
    assert model_kind(TinyPairModel()) == "pair"


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


def test_the_folder_is_named_by_data_model_rules_and_plan(done):
    data, model, _, plan = done.folder.parts[-4:]
    assert data == "tiny.test@1"
    assert model == "tiny-encoder@1"
    assert plan == done.card.plan_hash


@pytest.mark.parametrize(
    "name", ["..", "a/b", "../../up", "features:x", "C:\\x", "a\0b", "語" * 300]
)
def test_no_name_leads_out_of_its_folder(tmp_path, name):
    model, dataset = TinyEncoder(name=name, revision=name), TinyDataset(name=name, split=name)
    dataset.revision = name
    rules = [RULES[1].model_copy(update={"name": name})]
    root = tmp_path / "runs"
    folder = run_folder(root, model, dataset, plan_of(model, dataset, rules))
    parts = folder.relative_to(root).parts
    assert len(parts) == 4
    assert not any(set(part) & set("/\\:\0") or not part.strip(".") for part in parts)
    folder.mkdir(parents=True)
    assert folder.resolve().is_relative_to(root.resolve())


@pytest.mark.parametrize("word", ["", " ", None, 3, b"1"])
@pytest.mark.parametrize("changed", ["name", "revision"])
def test_names_and_revisions_are_texts(changed, word):
    for make in (TinyEncoder, TinyPairModel, TinyDataset):
        made = make()
        vars(made)[changed] = word
        with pytest.raises(KapbenchError, match=f"^{changed} is {word!r}"):
            plan_of(**{"dataset" if make is TinyDataset else "model": made})


def test_the_card_is_plain_json_without_nan(done):
    text = (done.folder / "run.json").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert content["schema_version"] == 1
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
    edit(copied, schema_version=2)
    with pytest.raises(KapbenchError, match="schema 2, this kapbench reads up to 1") as caught:
        load_card(copied)
    assert "upgrade" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"schema_version": "new"}', "cannot be read"),
        ('{"schema_version": null}', "cannot be read"),
        ('{"schema_version": 1}', "not a run card"),
        ("\x00\udcff", "cannot be read"),
    ],
)
def test_a_damaged_card_is_named(copied, content, said):
    (copied / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(KapbenchError, match=said) as caught:
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


def told(**given):
    made = {"device": "cpu", "started": "now", "seconds": 1.23456, "seed": 0, "records": "x"}
    made |= {"scoring": 1}
    return provenance_module.provenance(**(made | given))


def test_provenance_without_git(monkeypatch):
    def no_git(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", no_git)
    found = told()
    assert (found.git_commit, found.git_dirty) == (None, None)
    assert found.seconds == 1.235


@pytest.mark.parametrize("error", [
    subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10),
])  # fmt: skip
def test_provenance_outside_a_checkout(monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", fails)
    assert told().git_commit is None


def test_provenance_of_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(provenance_module, "PACKAGES", ("numpy", "no-such-package"))
    assert list(told().packages) == ["numpy"]


def test_progress_is_silent_unless_somebody_looks(capsys):
    with Progress().stage("pairs", 3) as advance:
        advance(3)
    Progress().say("nobody hears")
    assert capsys.readouterr() == ("", "")


def test_progress_shows_on_stderr_and_does_not_lose_a_line(capsys):
    progress = Progress(show=True)
    with progress.stage("pairs", 3) as advance:
        advance(1)
        progress.say("cache file damaged")
        advance(2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "cache file damaged" in shown.err
    assert "3/3" in shown.err


def test_a_stage_that_fails_gives_its_console_back(capsys):
    heard: list[str] = []
    progress = Progress(show=True, log=heard.append)
    with pytest.raises(KeyError), progress.stage("pairs", 3):
        raise KeyError
    progress.say("afterwards")
    assert heard == ["afterwards"]
