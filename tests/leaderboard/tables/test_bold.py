"""Which scores are bold: the best, and what may be as good."""

from dataclasses import replace

import numpy as np
import pytest
import tex_reader

from kapbench.running.results import RunCard
from kapbench.scoring.bootstrap import Replicates
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.comparison.resamples import Resamples
from kapbench_leaderboard.tables.bold import bold
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.render import render

CATEGORIES = ("cat", "cow")


def drawn(values, seed, n_images=25):
    """Independent spreads of 0.02 in each category around `values`."""
    spread = 0.02 * np.random.default_rng(seed).normal(0, 1, (500, 2))
    value = np.array(values)
    column = Replicates(
        value,
        (value + spread).astype(np.float32),
        (value + spread / 2).astype(np.float32),
        np.broadcast_to(n_images, 2),
    )
    weights = np.full(2, 0.5)
    return Resamples("same", CATEGORIES, {"kap": column}, {"kap": weights})


@pytest.fixture
def four(card):
    """Of each category's score 0.1 below and above the mean; b is close to a, c is far."""
    cards, resamples = [], {}
    for i, (name, kap) in enumerate({"a": 0.5, "b": 0.495, "c": 0.3}.items()):
        made = card(name, kap, 0.5 + i / 100)
        digest = name * 64
        provenance = made.provenance.model_copy(update={"records_sha256": digest})
        cards.append(made.model_copy(update={"provenance": provenance}))
        resamples[digest] = drawn((kap - 0.1, kap + 0.1), i)
    return [*cards, card("oracle", 1.0, 1.0)], resamples


def names_in_bold(table, resamples):
    marks = bold(table, resamples)
    return {
        column.key: {table.rows[i].label for i in rows}
        for column, rows in zip(table.columns, marks, strict=True)
    }


def test_models_that_are_not_significantly_different_are_bold_together(four):
    cards, resamples = four
    kap, *_ = tables(group(cards), "category")
    assert set(map(frozenset, names_in_bold(kap, resamples).values())) == {frozenset("ab")}


def test_without_resamples_of_every_model_nothing_is_bold(four):
    cards, resamples = four
    kap, *_ = tables(group(cards), "category")
    for known in ({}, {digest: r for digest, r in resamples.items() if digest[0] != "b"}):
        assert not any(bold(kap, known))
        assert "Bold" not in render([kap], "latex", resamples=known)


def test_only_columns_with_resamples_are_tested(four):
    cards, resamples = four
    (summary,) = tables(group(cards))
    in_bold = names_in_bold(summary, resamples)
    assert in_bold["kap@0.10"] == {"a", "b"}
    assert in_bold["pck@0.10"] == set()


def test_too_few_images_for_a_test(four):
    cards, resamples = four
    few = {digest: drawn((0.4, 0.6), i, n_images=3) for i, digest in enumerate(resamples)}
    kap, *_ = tables(group(cards), "category")
    assert not any(bold(kap, few))


def test_where_no_model_is_ranked_nothing_is_bold_and_the_note_says_so(four):
    """The cats have enough images for a test of their own, the cows have not."""
    cards, resamples = four
    few = {digest: drawn((0.4, 0.6), i, n_images=(25, 3)) for i, digest in enumerate(resamples)}
    made = tables(group(cards), "category")
    assert not any(bold(made[0], few))
    (table,) = tex_reader.read(render(made, "latex", resamples=few))
    assert "textbf" not in str(table.rows)
    assert "Nothing is bold: a category has too few images" in table.printed


def test_a_table_says_what_bold_means(four):
    cards, resamples = four
    text = render(tables(group(cards), "category"), "latex", resamples=resamples)
    (table,) = tex_reader.read(text)
    assert r"\textbf{49.5}" in text
    assert "not significantly different from it" in table.printed
    assert "textbf" not in " ".join(
        cell for row in table.rows for cell in row if "oracle" in row[0]
    )


def test_nothing_is_bold_of_a_single_model(four):
    (a, *_, oracle), resamples = four
    table, *_ = tables(group([a, oracle]), "category")
    assert not any(bold(table, resamples))


def test_of_parts_all_but_the_wrong_members_are_tested(four):
    (*cards, _), resamples = four
    metrics = ("pck_concept", "wrong_member", "identity")
    about = {"rule": "pck-sd-dino", "average": "point", "alpha": 0.10, "split": "all", "n": 9}
    scores = tuple(Score(metric=m, category="mean", value=0.5, **about) for m in metrics)
    runs = [RunCard(**dict(card) | {"scores": (*card.scores, *scores)}) for card in cards]
    of_parts = {
        digest: replace(
            r,
            columns=dict.fromkeys(metrics, r.columns["kap"]),
            weights=dict.fromkeys(metrics, r.weights["kap"]),
        )
        for digest, r in resamples.items()
    }
    (table,) = tables(group(runs), "concept")
    in_bold = names_in_bold(table, of_parts)
    assert in_bold["pck_concept@0.10"] == in_bold["identity"] == {"a", "b"}
    assert in_bold["wrong_member@0.10"] == set()
