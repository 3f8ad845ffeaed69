"""Sentences on where KAP and PCK order the same models differently."""

import numpy as np
import pytest

from kapbench.scoring.bootstrap import Replicates
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.tables.build import ranked, tables

SAID = "rank models differently"


def resampled(kap, pck, error=0.005, seed=0):
    """Independent scores of two categories of 25 images."""
    rng = np.random.default_rng(seed)
    columns = {}
    for name, value in (("kap", kap), ("pck", pck)):
        noise = rng.normal(0, error, (400, 2))
        columns[name] = Replicates(
            np.full(2, value),
            (value + noise).astype(np.float32),
            (value + noise / 2).astype(np.float32),
            np.full(2, 25),
        )
    return Resamples("same", ("cat", "cow"), columns, dict.fromkeys(columns, np.full(2, 0.5)))


def notes(card, scores, error=0.005, known=None):
    """Of models by their KAP and PCK; `known`: how many of them have resamples."""
    groups_cards, resamples = [], {}
    for i, (name, (kap, pck)) in enumerate(scores.items()):
        made = card(name, kap, pck)
        about = made.provenance.model_copy(update={"records_sha256": f"{i:064d}"})
        groups_cards.append(made.model_copy(update={"provenance": about}))
        if known is None or i < known:
            resamples[f"{i:064d}"] = resampled(kap, pck, error, seed=i)
    groups = group(groups_cards)
    (table,) = tables(groups, ranks=ranked(groups, resamples))
    return " ".join(table.notes)


def test_where_all_agree_nothing_is_said(card):
    assert SAID not in notes(card, {"a": (0.4, 0.6), "b": (0.3, 0.5)})


def test_kap_and_pck_that_disagree_are_said_with_their_points(card):
    found = notes(card, {"a": (0.40, 0.50), "b": (0.36, 0.56)})
    assert (
        "KAP and PCK rank models differently, both significantly (paired tests, p < 0.05 after Holm's "
        "correction): a is 4.0 points above b by KAP and 6.0 below by PCK."
    ) in found


@pytest.mark.parametrize("scores", [(0.397, 0.56), (0.36, 0.503)])
def test_a_difference_within_noise_is_no_disagreement(card, scores):
    assert SAID not in notes(card, {"a": (0.40, 0.50), "b": scores})
    assert SAID in notes(card, {"a": (0.40, 0.50), "b": scores}, error=0.0005)


def test_without_resamples_of_every_model_nothing_is_said(card):
    scores = {"a": (0.40, 0.50), "b": (0.36, 0.56)}
    assert SAID not in notes(card, scores, known=0)
    assert SAID not in notes(card, scores, known=1)


def test_controls_have_no_say(card):
    assert SAID not in notes(card, {"a": (0.4, 0.5), "random": (0.2, 0.9)})


def test_a_tie_is_no_disagreement(card):
    assert SAID not in notes(card, {"a": (0.4, 0.5), "b": (0.4, 0.9)})


@pytest.mark.parametrize(("n", "more"), [(3, False), (5, True)])
def test_a_long_list_is_cut_and_says_so(card, n, more):
    scores = {f"m{i}": (0.1 * (i + 1), 0.9 - 0.1 * i) for i in range(n)}
    assert ("and 7 more" in notes(card, scores)) == more
