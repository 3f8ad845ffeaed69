"""Which runs stand together, and what is said of those that do not."""

import pytest

from kapbench.scoring.rules import load_rule
from kapbench_leaderboard.comparison.groups import group, why_apart, without_rules
from kapbench_leaderboard.comparison.resamples import key
from kapbench_leaderboard.tables.columns import columns


def test_runs_on_the_same_pairs_by_the_same_rules_are_one_group(card):
    groups = group([card("lite0"), card("sphere"), card("random")])
    assert [[c.model.name for c in g.cards] for g in groups] == [["lite0", "sphere", "random"]]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"categories": ["cat"], "n_pairs": 10},
            "the pairs are 10 pairs of cat, not 20 pairs of cat, cow",
        ),
        ({"split": "val"}, "the split is val, not test"),
        ({"dataset": "willow"}, "the data set is willow, not spair"),
        (
            {"rules": {"kap-cvpr24": "changed", "pck-sd-dino": "bbb"}},
            "rule kap-cvpr24 has hash changed, not aaa",
        ),
        (
            {"rules": {"pck-sd-dino": "bbb"}},
            "the rules are pck-sd-dino, not kap-cvpr24, pck-sd-dino",
        ),
    ],
)
def test_what_keeps_runs_apart_is_said(card, other, said):
    first, second = group([card(), card()])[0], group([card(**other)])[0]
    assert len(group([card(), card(), card(**other)])) == 2
    assert said in why_apart(first, second)


@pytest.mark.parametrize(
    ("alterations", "words"),
    [
        (("reverse",), "the data set is reversed, not as published"),
        (("fog-3",), "the data set is corrupted by fog-3, not as published"),
        (("reverse", "fog-3"), "the data set is reversed and corrupted by fog-3, not as published"),
    ],
)
def test_alterations_keep_runs_apart_in_words(card, alterations, words):
    altered = card()
    changes = {"alterations": alterations, "revision": "other", "pairs_hash": "other"}
    altered = altered.model_copy(update={"dataset": altered.dataset.model_copy(update=changes)})
    assert why_apart(*group([card(), altered])) == words


def test_rules_that_are_not_shown_do_not_keep_runs_apart(card):
    many = card(rules={"kap-cvpr24": "aaa", "pck-sd-dino": "bbb", "kap-v1": "ccc"})
    assert len(group([card(), many])) == 1


def test_the_released_evaluators_rule_is_shown_first(card):
    rules = {"kap-v1": "1", "pck-v1": "2", "kap-cvpr24": "3", "geo": "4", "pck-sd-dino": "5"}
    (members,) = group([card(rules=rules)])
    assert [r.name for r in members.rules] == ["kap-cvpr24", "pck-sd-dino"]


def test_rules_asked_for_are_shown_in_that_order_and_runs_without_them_named(card):
    has, lacks = card(rules={"kap-v1": "1", "pck-v1": "2"}), card("sphere")
    groups = group([has, lacks], ["pck-v1", "kap-v1"])
    assert [[r.name for r in g.rules] for g in groups] == [["pck-v1", "kap-v1"]]
    assert without_rules([has, lacks], ["pck-v1"]) == [lacks]


def test_a_rule_of_the_users_own_is_shown_where_it_is_alone(card):
    mine = card(rules={"kap-mine": "1"})
    assert [r.name for r in group([mine])[0].rules] == ["kap-mine"]


def test_runs_scored_by_another_version_stand_apart(card):
    old = card()
    old = old.model_copy(update={"provenance": old.provenance.model_copy(update={"scoring": 1})})
    first, second = group([card(), old])
    assert "the scoring has version 1, not 2" in why_apart(first, second)


def scored_by(card, names, version):
    made = card(rules={name: load_rule(name).hash for name in names})
    changed = made.provenance.model_copy(update={"scoring": version})
    return made.model_copy(update={"provenance": changed})


def test_versions_of_scoring_keep_apart_what_they_changed(card):
    names = ("kap-cvpr24", "kap-v1", "pck-sd-dino")
    old, new = (scored_by(card, names, version) for version in (2, 3))
    assert len(group([old, new])) == 1  # neither kap-cvpr24 nor pck-sd-dino was changed
    assert key(old) == key(new)
    first, second = group([old, new], ["kap-v1", "pck-sd-dino"])
    assert "the scoring has version 3, not 2" in why_apart(first, second)
    assert key(old, ["kap-v1"]) != key(new, ["kap-v1"])
    future = [scored_by(card, names, version) for version in (3, 4)]
    assert len(group(future)) == 2


def test_a_column_of_another_rule_has_only_runs_of_its_newest_version(card):
    names = ("pck-sd-dino", "pck-v1")
    old, new = (scored_by(card, names, version) for version in (2, 3))
    (members,) = group([old, new])
    cells = {c.key: (c.cell(old), c.cell(new)) for c in columns(members, "average", 0.1)}
    of_v1 = [pair for key_, pair in cells.items() if key_.startswith("pck-v1")]
    assert of_v1
    for before, after in of_v1:
        assert before.value is None
        assert "before pck-v1 was changed" in before.reason
        assert after.value is not None


def test_the_larger_data_come_first(card):
    small, large = card(categories=["cat"], n_pairs=10), card()
    assert [g.dataset.n_pairs for g in group([small, large])] == [20, 10]
