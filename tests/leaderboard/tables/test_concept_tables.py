"""Tables of parts: their columns, what earlier versions did not record, and chance beside identity."""

import pytest
from committed_entries import RESULTS
from scoring_cases import drawn, estimate, records

from kapbench.running.results import RunCard
from kapbench.scoring.part_scores import IDENTITY_SHARE, PART_SCORES
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.comparison.later_scores import with_later_scores
from kapbench_leaderboard.entries.schema import load_entry
from kapbench_leaderboard.tables.build import tables
from kapbench_leaderboard.tables.format_cells import head

KEYS = ["pck_concept@0.10", "wrong_member@0.10", "pck_cc@0.10", "identity", "identity_chance"]
VALUES = dict(zip(PART_SCORES, (0.7, 0.2, 0.6, 0.55, 0.5), strict=True))


def of_version(card: RunCard, scoring: int, scores: tuple[Score, ...] = ()) -> RunCard:
    provenance = card.provenance.model_copy(update={"scoring": scoring})
    return RunCard(**dict(card) | {"provenance": provenance, "scores": (*card.scores, *scores)})


def part_scores(by: float = 0.0) -> tuple[Score, ...]:
    return tuple(
        Score(
            rule="pck-sd-dino",
            metric=metric,
            average="point",
            alpha=0.10,
            split="all",
            category=name,
            value=value + (0 if metric == "identity_chance" else by),
            n=9,
        )
        for metric, value in VALUES.items()
        for name in ("cat", "cow", "mean")
    )


def cells(table, label):
    (row,) = [row for row in table.rows if row.label == label]
    return {column.key: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def test_the_columns_by_hand(card):
    (table,) = tables(group([of_version(card("lite0"), 5, part_scores())]), "concept")
    by_key = cells(table, "lite0")
    assert list(by_key) == ["pck@0.10", *KEYS]
    assert [by_key[key].value for key in KEYS] == list(VALUES.values())
    assert "chance: the mean of 1 / number of members" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("scoring", "identity", "concept"),
    [
        (4, "Identity is not recorded: the run is of a scoring version before 5.", "not at hand"),
        (5, "No keypoint of these data has a part group", "No keypoint of these data has a part"),
    ],
)
def test_what_is_not_recorded_has_a_reason_and_is_not_0(card, scoring, identity, concept):
    (table,) = tables(group([of_version(card("lite0"), scoring)]), "concept")
    by_key = cells(table, "lite0")
    assert [by_key[key].value for key in KEYS] == [None] * 5
    assert identity in by_key["identity"].reason
    assert concept in by_key["pck_concept@0.10"].reason


def test_by_category_fewer_wrong_members_come_first_and_chance_stands_below_identity(card):
    runs = [of_version(card(n), 5, part_scores(by)) for n, by in (("few", -0.1), ("many", 0.1))]
    concept, wrong, identity = tables(group(runs), "concept-category")
    assert [row.label for row in concept.rows] == ["many", "few"]
    assert [row.label for row in wrong.rows] == ["few", "many"]
    assert [column.key for column in identity.columns] == [
        "identity.cat",
        "identity.cow",
        "identity",
    ]
    chance, n = identity.references
    assert [cell.value for cell in chance.cells] == [0.5] * 3
    assert (n.label, [cell.value for cell in n.cells]) == ("n", [9] * 3)
    assert head(identity)[0].endswith("; identity")
    assert head(concept)[0].endswith("; concept PCK@0.10")


def test_an_accepted_entry_gets_what_its_records_allow():
    (path,) = (RESULTS / "coco.test_zebra" / "lite0").glob("*.json")
    run, rule = load_entry(path).run, load_rule("pck-sd-dino")
    parts = {"n_keypoints": 6, "groups": (0, 0, 0, -1, -1, -1), "twins": (1, 0, 2, 4, 3, 5)}
    rows = records(drawn(3, 6, **parts, n_images=3), [rule]).drop(columns="identity")
    made = with_later_scores(run, rows, kinds=["parts"])
    assert made.scores[: len(run.scores)] == run.scores
    added = made.scores[len(run.scores) :]
    assert {s.metric for s in added} == set(PART_SCORES) - {IDENTITY_SHARE}
    average, over = rule.headline
    for metric in ("pck_concept", "wrong_member", "pck_cc", "identity_chance"):
        expected = estimate(rows, rule, 0.10, average, metric=metric).over_categories(over)
        stored = made.score(rule.name, metric, 0.10, over, average=average)
        assert stored.value == pytest.approx(float(expected))
