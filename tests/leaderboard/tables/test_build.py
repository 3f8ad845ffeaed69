"""Groups to tables: rows, columns, and why a number is missing."""

import pytest

from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.tables.build import tables


@pytest.fixture
def cards(card):
    return [card("random", 0.28, 0.03), card("lite0", 0.38, 0.40), card("sphere", 0.41, 0.44)]


def cells(table, label):
    (row,) = [row for row in table.rows if row.label == label]
    return {column.key: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def test_the_summary_by_hand(cards):
    (table,) = tables(group(cards))
    assert {key: cell.value for key, cell in cells(table, "lite0").items()} == {
        "kap@0.10": 0.38,
        "kap_skill@0.10": pytest.approx(0.225),
        "pck@0.10": 0.40,
        "absence_auroc": 0.65,
        "absence_auroc.absent_with_twin": None,
    }


def test_the_reason_of_a_twin_split_without_a_score_names_both_labels(card):
    run = card()
    twin = {"split": "absent_with_twin"}
    scores = [
        score.model_copy(update={"n": 24}) if score.split == twin["split"] else score
        for score in run.scores
    ]
    again = card(scores=scores)
    (table,) = tables(group([again]), "twin")
    reason = cells(table, again.model.name)["kap@0.10.absent_with_twin"].reason
    assert reason == ("A category has no positive sample, or no negative one (n = 24).")


@pytest.mark.parametrize(("images", "named"), [({"cat": 11, "cow": 12}, "cat (11)"), ({}, None)])
def test_categories_with_few_images_are_named_beside_kap(card, images, named):
    run = card()
    data = run.dataset.model_copy(update={"images_by_category": images})
    kap, _, pck = tables(group([run.model_copy(update={"dataset": data})]), "category")
    notes = [note for note in kap.notes if note.startswith("KAP is biased upwards")]
    assert [note.endswith(f": {named}.") for note in notes] == ([True] if named else [])
    assert not any("biased" in note for note in pck.notes)


def test_a_control_that_reads_the_annotation_has_no_interval_and_a_note_says_why(card):
    (table,) = tables(group([card("lite0", 0.4, 0.4), card("oracle", 1.0, 1.0, interval=None)]))
    assert (
        "No confidence intervals for oracle: scores that follow from the annotation are not estimates."
    ) in table.notes


def test_controls_that_read_the_annotation_read_it_in_the_plural(card):
    controls = [card("oracle", 1.0, 1.0), card("side-blind", 0.6, 0.9), card("random", 0.2, 0.1)]
    (one,), (two,) = (tables(group(cards)) for cards in (controls[::2], controls))
    assert "oracle: reads the annotation of the target." in one.notes
    assert "oracle, side-blind: read the annotation of the target." in two.notes


def test_the_number_of_images_says_why_there_is_no_interval(card):
    bare = card("lite0", interval=None)
    for images, why in (
        ({"cat": 6, "cow": 6}, "the score of a category is undefined in more than 1 %"),
        ({"cat": 6, "cow": 3}, "a category has fewer than 4 images."),
        ({}, "a category has fewer than 4 images, or its score"),
    ):
        data = bare.dataset.model_copy(update={"images_by_category": images})
        run = bare.model_copy(update={"dataset": data, "command": "kapbench run"})
        (table,) = tables(group([run]))
        (note,) = (note for note in table.notes if note.startswith("No confidence"))
        assert f"No confidence intervals: {why}" in note


def test_the_best_model_first_and_controls_last(cards, card):
    (table,) = tables(group([*cards, card("oracle", 1.0, 1.0), card("broken", None, 0.9)]))
    assert [row.label for row in table.rows] == ["sphere", "lite0", "broken", "oracle", "random"]


def test_by_category_is_sorted_by_the_mean_and_has_one_table_a_metric(cards):
    kap, skill, pck = tables(group(cards), "category")
    assert [table.metric for table in (kap, skill, pck)] == ["KAP", "KAP skill", "PCK"]
    assert [c.key for c in kap.columns] == ["kap@0.10.cat", "kap@0.10.cow", "kap@0.10"]
    assert [c.key for c in skill.columns] == [
        "kap_skill@0.10.cat",
        "kap_skill@0.10.cow",
        "kap_skill@0.10",
    ]
    values = [cell.value for cell in cells(skill, "lite0").values()]
    assert values == pytest.approx([0.1, 0.35, 0.225])
    assert [c.key for c in pck.columns] == ["pck@0.10.cat", "pck@0.10.cow", "pck@0.10"]
    assert kap.rows[0].label == "sphere"
    values = [cell.value for cell in cells(kap, "lite0").values()]
    assert values == pytest.approx([0.28, 0.48, 0.38])


def test_by_rule_has_one_column_a_rule(card):
    rules = {"kap-v1": "1", "kap-cvpr24": "2", "pck-sd-dino": "3"}
    (table,) = tables(group([card(rules=rules)], list(rules)), "rule")
    assert [c.key for c in table.columns] == [
        "kap-v1@0.10",
        "kap-v1@0.10.kap_skill",
        "kap-cvpr24@0.10",
        "kap-cvpr24@0.10.kap_skill",
        "pck-sd-dino@0.10",
    ]


@pytest.mark.parametrize("view", ["summary", "category"])
def test_remarks_of_the_data_set_stand_below_a_group_once(cards, view):
    def with_remarks(card, *remarks):
        data = card.dataset.model_copy(update={"remarks": remarks})
        return card.model_copy(update={"dataset": data})

    first, *others = [with_remarks(card, "3 boxes are missing") for card in cards]
    same = tables(group([first, *others]), view)
    notes = [note for table in same for note in table.notes if note.startswith("Data set")]
    assert notes == ["Data set: 3 boxes are missing."]
    other = with_remarks(cards[0], "4 boxes are missing")
    notes = [note for table in tables(group([other, *others]), view) for note in table.notes]
    assert "Data set, in the run of sphere, lite0: 3 boxes are missing." in notes
    assert "Data set, in the run of random: 4 boxes are missing." in notes


def test_every_missing_number_has_a_reason(card):
    (table,) = tables(group([card("lite0", None, 0.5)]))
    found = cells(table, "lite0")
    nothing = "A category has no positive sample, or no negative one (n = 100)."
    assert found["kap@0.10"].reason == nothing
    assert found["kap_skill@0.10"].reason.startswith(
        "In a category there is no KAP, or the highest"
    )
    reason = found["absence_auroc.absent_with_twin"].reason
    assert reason == "No keypoint of these data has a mirror counterpart (n = 0)."
    assert found["pck@0.10"].reason is None


def test_runs_from_before_the_skill_was_stored_say_so(card):
    old = card()
    scores = tuple(s for s in old.scores if s.metric in ("kap", "pck", "prevalence"))
    (table,) = tables(group([old.model_copy(update={"scores": scores})]))
    found = cells(table, "lite0")
    assert found["kap@0.10"].value == 0.4
    for key in ("kap_skill@0.10", "absence_auroc", "absence_auroc.absent_with_twin"):
        assert found[key].value is None
        assert found[key].reason.endswith("repeat the run.")


def test_every_split_of_kap_has_its_skill_beside_it(card):
    (table,) = tables(group([card()]), "symmetry")
    keys = [column.key for column in table.columns]
    for key in [k for k in keys if k.startswith("kap@")]:
        assert keys[keys.index(key) + 1] == key.replace("kap@", "kap_skill@")
    (table,) = tables(group([card()]), "twin")
    assert [column.key for column in table.columns][:4] == [
        "absence_auroc.absent_with_twin",
        "absence_auroc",
        "kap@0.10.absent_with_twin",
        "kap_skill@0.10.absent_with_twin",
    ]


def test_a_score_that_the_run_does_not_have_is_missing_with_a_reason(cards):
    (table,) = tables(group(cards), alpha=0.05)
    assert all(cell.value is None and cell.reason for row in table.rows for cell in row.cells)


def test_runs_of_one_model_are_told_apart(card):
    same = [card("sphere", revision="abc"), card("sphere", revision="def"), card("lite0")]
    (table,) = tables(group([*same, card("sphere", 0.3, revision="def")]))
    assert {r.label for r in table.rows} == {
        "sphere@abc",
        "sphere@def #1",
        "sphere@def #2",
        "lite0",
    }


def test_partial_data_are_said(cards):
    (table,) = tables(group(cards))
    assert "partial: 2 of 3 categories (cat, cow), 20 of 30 pairs" in table.head[0]


def test_the_second_group_says_why_it_is_apart(cards, card):
    first, second = tables(group([*cards, card(categories=["cat"], n_pairs=10)]))
    assert len(first.head) == 1
    assert "Not comparable with the first table: the pairs are " in second.head[1]


def test_what_a_model_looks_at_is_said(card):
    seen = card("asic")
    model = seen.model.model_copy(update={"conditions_on": ("mask",), "trained_on": "spair trn"})
    (table,) = tables(group([card(), seen.model_copy(update={"model": model})]))
    assert "asic: also sees the mask, trained on spair trn." in table.notes


def test_how_a_model_was_trained_and_wants_to_be_decoded_is_said(card):
    made = card("diy_sc.768")
    changed = {"supervision": "viewpoint", "trained_on": "spair trn", "window": 7}
    model = made.model.model_copy(update=changed)
    (table,) = tables(group([card(), made.model_copy(update={"model": model})]))
    assert (
        "diy_sc.768: supervision: viewpoint, trained on spair trn, its own soft-argmax window of 7 "
        "cells in rules that leave it open."
    ) in table.notes
