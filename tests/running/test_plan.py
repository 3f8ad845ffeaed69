"""What identifies a run: its plan, and the folder that is named by it."""

import json

import pytest
from tiny_world import RULES, TinyDataset, TinyEncoder, TinyPairModel

from kapbench.errors import KapbenchError
from kapbench.protocols import model_info
from kapbench.running.plan import make_plan, rules_named
from kapbench.running.run_folder import run_folder
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
    monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", 3)
    assert plan_of().hash == first.hash
    assert (
        plan_of(TinyEncoder(conditions_on=("mask", "category"))).hash
        == plan_of(TinyEncoder(conditions_on=("category", "mask"))).hash
    )


@pytest.mark.parametrize("chunk_pairs", [1, 3, 4, 1000])
def test_chunks_hold_every_pair_once_and_a_target_whole(monkeypatch, chunk_pairs):
    monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", chunk_pairs)
    plan = plan_of()
    placed = [item for c in plan.chunks for item in zip(c.places, c.pairs, strict=True)]
    places = sorted(place for place, _ in placed)
    assert places == list(range(24))
    assert all(plan.pairs[place] is pair for place, pair in placed)
    holders: dict[str, set[int]] = {}
    for chunk in plan.chunks:
        for pair in chunk.pairs:
            holders.setdefault(pair.target.image_id, set()).add(chunk.number)
    assert all(len(numbers) == 1 for numbers in holders.values())
    assert len(plan.chunks) == -(-8 // -(-chunk_pairs // 3))


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
    with pytest.raises(KapbenchError, match="Two different rules are named 'mine'") as caught:
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
    assert model_info(TinyEncoder()).kind == "encoder"
    assert model_info(TinyPairModel()).kind == "pair"


@pytest.mark.parametrize("name", ["..", "a/b", "../../up", "features:x", "C:\\x", "語" * 200])
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
