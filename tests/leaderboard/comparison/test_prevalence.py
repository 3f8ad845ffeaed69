"""Prevalence beside every KAP: what the records give, though a run keeps it of no split."""

import pytest

from kapbench.running.results import load_card, load_records
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule
from kapbench.scoring.splits import annotated_splits, select
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.comparison.prevalence import prevalence
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.columns import NO_RANDOM_RUN
from kapbench_leaderboard.tables.render import render


def counted(records, rule, split, category):
    """From the samples themselves."""
    rows = select(records, split) & (records["category"] == category).to_numpy(bool)
    samples = kap_samples(records[rows].reset_index(drop=True), load_rule(rule), 0.10)
    return samples.label.mean() if len(samples.label) else None


@pytest.mark.parametrize("rule", ["kap-cvpr24", "kap-v1"])
def test_of_every_split_it_is_what_the_records_give(dots_runs, rule):
    card, records = load_card(dots_runs[0]), load_records(dots_runs[0])
    splits = [s for s in annotated_splits(records) if s != "absent_with_twin"]
    assert len(splits) >= 6
    values = set()
    for split in splits:
        each = {c: counted(records, rule, split, c) for c in card.dataset.categories}
        for category, expected in each.items():
            found = prevalence(card, rule, 0.10, category, split)
            assert found == (
                "There is no sample to score." if expected is None else pytest.approx(expected)
            )
            values.add(found)
        some = [share for share in each.values() if share is not None]
        if some:
            found = prevalence(card, rule, 0.10, "mean", split)
            assert found == pytest.approx(sum(some) / len(some))
    assert len(values) > 4


def test_where_a_rule_counts_otherwise_it_says_that_it_does_not_know(dots_runs):
    """kap-neurips25 has a positive for an absent keypoint too: not one each that is shown."""
    card, records = load_card(dots_runs[0]), load_records(dots_runs[0])
    expected = counted(records, "kap-neurips25", "all", "dot")
    assert prevalence(card, "kap-neurips25", 0.10, "dot") == pytest.approx(expected)
    assert "cannot be computed" in prevalence(card, "kap-neurips25", 0.10, "mean", "other")


def test_of_the_twin_split_it_is_a_half_because_its_classes_weigh_alike(dots_runs):
    card = load_card(dots_runs[0])
    scored = card.score(
        "kap-cvpr24", "kap", 0.1, "mean", average="category", split="absent_with_twin"
    )
    expected = 0.5 if scored.value is not None else "There is no sample to score."
    assert prevalence(card, "kap-cvpr24", 0.10, "mean", "absent_with_twin") == expected


@pytest.mark.parametrize("view", ["category", "symmetry", "viewpoint", "average", "rule", "twin"])
def test_it_stands_under_every_kap_and_under_nothing_else(dots_runs, view):
    cards = [load_card(path) for path in dots_runs]
    rules = ["kap-cvpr24", "kap-v1", "pck-v1"] if view == "rule" else None
    n_kap = 0
    for table in tables(group(cards, rules), view):
        is_kap = [c.key.startswith("kap") for c in table.columns]
        for i, column in enumerate(table.columns):
            is_kap[i] &= "skill" not in column.key and "auroc" not in column.key
        references = [row for row in table.references if row.key == "prevalence"]
        assert len(references) == any(is_kap)
        for each in references:
            has = [cell.value is not None or cell.reason is not None for cell in each.cells]
            assert has == is_kap
            assert any(cell.value is not None for cell in each.cells)
            n_kap += sum(is_kap)
    assert n_kap >= 2


@pytest.mark.parametrize("how", ["text", "markdown", "latex", "html", "json", "csv"])
def test_every_format_shows_it(dots_runs, how):
    card = load_card(dots_runs[0])
    kap, _, _ = tables(group([card]), "category")
    shown = render([kap], how)
    value = prevalence(card, "kap-cvpr24", 0.10, "dot")
    assert "prevalence" in shown
    assert (str(value) if how in ("json", "csv") else f"{100 * value:.1f}") in shown
    assert "n/a" not in shown


def test_a_summary_has_the_skill_in_its_place(dots_runs):
    (table,) = tables(group([load_card(dots_runs[0])]))
    assert table.references == ()
    assert any(column.key == "kap_skill@0.10" for column in table.columns)


def test_where_grids_make_another_prevalence_it_says_whose_it_is(card):
    def with_prevalence(name, value):
        made = card(name, 0.5 if name == "coarse" else 0.4)
        rows = [
            r.model_copy(update={"value": value}) if r.metric == "prevalence" else r
            for r in made.scores
        ]
        return made.model_copy(update={"scores": tuple(rows)})

    cards = [with_prevalence("coarse", 0.41), with_prevalence("fine", 0.39)]
    kap, _, _ = tables(group(cards), "category")
    assert [each.label for each in kap.references] == ["prevalence of coarse"]
    kap, _, _ = tables(group([cards[0], with_prevalence("fine", 0.41)]), "category")
    assert [each.label for each in kap.references] == ["prevalence"]


def test_the_want_of_a_random_control_is_said_where_a_kap_stands(card):
    said = "The control `random` is not among the runs on these pairs; add it to show its score."
    kap, _, pck = tables(group([card("lite0")]), "category")
    assert said in kap.notes
    assert said not in pck.notes
    kap, _, _ = tables(group([card("lite0"), card("random", 0.2)]), "category")
    assert said not in kap.notes


def test_a_random_control_on_the_same_pairs_is_shown_though_it_was_not_selected(card):
    controls = [card("random", 0.1, categories=["cat"]), card("random", 0.2), card("random", 0.3)]
    (table,) = tables(group([card("lite0")], random_runs=controls))
    assert [row.label for row in table.rows] == ["lite0"]
    assert NO_RANDOM_RUN not in table.notes
    kap, _, pck = tables(group([card("lite0")], random_runs=controls), "category")
    assert "The control `random` on these pairs: kap-cvpr24@0.10 20.0." in kap.notes
    assert "random" not in " ".join(pck.notes)
    other_rule = card("random", 0.2, rules={"kap-cvpr24": "other", "pck-sd-dino": "bbb"})
    kap, _, _ = tables(group([card("lite0")], random_runs=[other_rule, controls[0]]), "category")
    assert NO_RANDOM_RUN in kap.notes


def test_a_random_run_with_more_rules_counts_though_it_has_its_own_table(card):
    random = card("random", 0.2, rules={"kap-v1": "1", "kap-cvpr24": "2", "pck-v1": "3"})
    lite0 = card("lite0", rules={"kap-v1": "1", "pck-v1": "3"})
    shown = {t.rows[0].label: t for t in tables(group([random, lite0]), "symmetry")}
    assert "The control `random` on these pairs: kap-v1@0.10 20.0." in shown["lite0"].notes
