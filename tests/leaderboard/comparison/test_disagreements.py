"""Sentences about columns that order the same models differently."""

import pytest

from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.tables.build import tables


def notes(cards):
    (table,) = tables(group(cards))
    return " ".join(table.notes)


def test_where_all_agree_nothing_is_said(card):
    assert "rank models differently" not in notes([card("a", 0.4, 0.6), card("b", 0.3, 0.5)])


def test_kap_and_pck_that_disagree_are_said_with_their_points(card):
    found = notes([card("a", 0.40, 0.50), card("b", 0.38, 0.56)])
    assert (
        "KAP@0.10 and PCK@0.10 rank models differently: a is 2.0 points above b by KAP@0.10 and 6.0 below by PCK@0.10."
        in found
    )


def test_controls_have_no_say(card):
    assert "rank models differently" not in notes([card("a", 0.4, 0.5), card("random", 0.2, 0.9)])


def test_a_tie_is_no_disagreement_and_a_missing_score_no_tie(card):
    assert "rank models differently" not in notes([card("a", 0.4, 0.5), card("b", 0.4, 0.9)])
    assert "rank models differently" not in notes([card("a", None, 0.5), card("b", 0.4, 0.9)])


def test_two_alphas_that_disagree_are_said(card):
    def at_both(name, coarse, fine):
        made = card(name, coarse, 0.5)
        finer = Score(
            rule="kap-cvpr24",
            metric="kap",
            average="category",
            alpha=0.05,
            split="all",
            category="mean",
            value=fine,
            n=100,
        )
        return made.model_copy(update={"scores": (*made.scores, finer)})

    found = notes([at_both("a", 0.4, 0.1), at_both("b", 0.3, 0.2)])
    assert (
        "KAP@0.10 and KAP@0.05 rank models differently: a is 10.0 points above b by KAP@0.10 and 10.0 below by KAP@0.05."
        in found
    )


@pytest.mark.parametrize(("n", "more"), [(3, False), (5, True)])
def test_a_long_list_is_cut_and_says_so(card, n, more):
    cards = [card(f"m{i}", 0.1 * (i + 1), 0.9 - 0.1 * i) for i in range(n)]
    assert ("and 7 more" in notes(cards)) == more
