"""Tables of finished runs and of accepted entries: paired differences are those of the tables above."""

import json
import re
import shutil

import numpy as np
import pytest
from submissions import CARD

from kapbench.errors import KapbenchError
from kapbench.running.results import load_card
from kapbench.scoring.bootstrap import Replicates
from kapbench_leaderboard.commands.comparison_text import comparison_text as tables
from kapbench_leaderboard.comparison import resamples, resamples_file
from kapbench_leaderboard.comparison.groups import group
from kapbench_leaderboard.entries import schema
from kapbench_leaderboard.entries.as_runs import entry_resamples, entry_runs
from kapbench_leaderboard.submit.prepare import prepare
from kapbench_leaderboard.tables.build import ranked
from kapbench_leaderboard.tables.build import tables as drawn
from kapbench_leaderboard.tables.differences import paired_tables
from kapbench_leaderboard.tables.format_cells import reasons


@pytest.fixture(scope="module")
def accepted(dots_runs, tmp_path_factory):
    """Both runs as accepted entries."""
    folder = tmp_path_factory.mktemp("accepted")
    (folder / "card.toml").write_text(CARD)
    return [prepare(run, folder / "results", folder / "card.toml") for run in dots_runs]


@pytest.fixture
def results(accepted, tmp_path):
    """Entries that a test may spoil."""
    root = accepted[0].parents[2]
    shutil.copytree(root, tmp_path / "results")
    return [tmp_path / "results" / path.relative_to(root) for path in accepted]


def shown(places, **options):
    """Tables as JSON, of run folders and entries."""
    runs = {p: schema.load_entry(p).run if p.suffix == ".json" else load_card(p) for p in places}
    return json.loads(tables(runs, how="json", **options))["tables"]


QUESTIONS = [
    (None, 0.10, {"kap": "kap@0.10", "pck": "pck@0.10"}),
    (None, 0.05, {"kap": "kap@0.05", "pck": "pck@0.05"}),
    (["pck-v1"], 0.01, {"pck": "pck@0.01"}),
    (["kap-v1", "pck-v1"], 0.05, {"kap": "kap@0.05", "pck": "pck@0.05"}),
    (
        ["pck-v1", "kap-v1", "pck-geoaware"],
        0.10,
        {"pck-v1": "pck-v1@0.10", "pck-geoaware": "pck-geoaware@0.10", "kap": "kap-v1@0.10"},
    ),
]


@pytest.mark.parametrize(("rules", "alpha", "columns"), QUESTIONS)
def test_a_difference_is_that_of_the_numbers_above_it(dots_runs, accepted, rules, alpha, columns):
    places = [accepted[0], dots_runs[1]]  # an entry beside a run
    above, below = shown(places, rules=rules, alpha=alpha, paired=True)
    scores = {row["label"]: row["scores"] for row in above["rows"]}
    first, _, second = (
        below["head"][0].split("differences, ")[1].removesuffix(", by category").split()
    )
    (mean,) = (row["scores"] for row in below["rows"] if row["label"] == "mean")
    found = {n.removeprefix("difference.") for n in mean if n.startswith("difference.")}
    assert {name for name in found if not name.endswith("absent_with_twin")} == set(columns)
    for column, key in columns.items():
        gap = scores[first][key]["value"] - scores[second][key]["value"]
        assert mean[f"difference.{column}"]["value"] == pytest.approx(gap, abs=1e-9)
    qualified = [note for note in below["notes"] if "keypoints are resampled too" in note]
    p_of = {name: mean[f"p.{name}"]["value"] for name in found}
    assert len(qualified) == sum(p is not None and p < 0.05 for p in p_of.values())
    notes = " ".join(below["notes"])
    for name in rules or ("kap-cvpr24", "pck-sd-dino"):
        assert f"@{alpha:.2f} by {name} (" in notes


def test_several_models_share_the_sentence_on_keypoints(request):
    results = request.config.rootpath / "leaderboard" / "results" / "spair"
    names = ("sphere.lite0", "lite0", "geoaware.supervised.lite0", "sift")
    _, below = shown([p for n in names for p in schema.find_entries(results / n)], paired=True)
    [note] = [note for note in below["notes"] if "keypoints are resampled too" in note]
    assert note.startswith("KAP, on how many keypoints")
    models = [each.strip() for each in note.partition(": ")[2].removesuffix(".").split(";")]
    pattern = re.compile(r"(\S+) (\d+) of 93, p (<0\.001|0\.\d{3})")
    counts = {m[1]: int(m[2]) for m in map(pattern.fullmatch, models)}
    assert list(counts) == [row["label"] for row in below["rows"]]
    assert all(count > 93 / 2 for count in counts.values())


def test_ranks_are_of_the_rule_and_alpha_of_their_column(dots_runs):
    runs = {p: load_card(p) for p in dots_runs}
    text = tables(runs, rules=["pck-v1"], alpha=0.05, paired=True)
    assert "models whose PCK@0.05 by pck-v1 is significantly better" in " ".join(text.split())
    assert "\ncategory " in text.split("paired differences")[1]  # the rows of two models


def test_resamples_of_other_questions_are_never_subtracted(dots_runs):
    run = load_card(dots_runs[0])
    asked = [(None, None), (["kap-v1", "pck-v1"], 0.10), (["kap-v1", "pck-v1"], 0.05), (None, 0.05)]
    keys = [resamples.key(run, *one) for one in asked]
    assert len(set(keys)) == len(keys)
    assert resamples.key(run, ["kap-cvpr24", "pck-sd-dino"], 0.10) == resamples.key(run)


def test_accepted_resamples_answer_the_questions_that_are_asked_first(request):
    found = schema.find_entries(request.config.rootpath / "leaderboard" / "results")
    assert found
    for path in found:
        run = schema.load_entry(path).run
        assert resamples_file.load(schema.resamples_path(path)).key == resamples.key(
            run, None, 0.10
        )


def test_stored_resamples_need_no_records_and_other_questions_do(results):
    stored = entry_resamples(results[0], None, 0.10)
    schema.records_path(results[0]).unlink()
    again = entry_resamples(results[0], None, 0.10)
    np.testing.assert_array_equal(again.columns["kap"].products, stored.columns["kap"].products)
    with pytest.raises(KapbenchError, match="the records lie elsewhere"):
        entry_resamples(results[0], None, 0.05)


def test_files_that_are_not_the_entrys_are_refused(results):
    first, second = results
    schema.resamples_path(first).write_bytes(schema.resamples_path(second).read_bytes())
    schema.records_path(first).write_bytes(schema.records_path(second).read_bytes())
    for alpha in (0.10, 0.05):
        with pytest.raises(KapbenchError, match="not the file that the entry names"):
            entry_resamples(first, None, alpha)


def test_entries_are_those_of_a_folder_of_results_and_no_other(results, tmp_path):
    assert [card.model.name for card in entry_runs(tmp_path / "results").values()] == [
        "colours",
        "greys",
    ]
    assert list(entry_runs(results[0])) == [results[0].resolve()]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "settings.json").write_text("{}")
    assert entry_runs(elsewhere) == {}


def few(value, n_images=3):
    """A run of one category, of three images unless said."""
    again = (value + np.random.default_rng(0).normal(0, 0.01, (100, 1))).astype(np.float32)
    column = Replicates(np.full(1, value), again, again, np.array([n_images]))
    return resamples.Resamples("same", ("cat",), {"kap": column}, {"kap": np.ones(1)})


def _cards(card, n):
    out = []
    for i in range(n):
        made = card(f"m{i}", 0.1 * i, rules={"kap-cvpr24": "aaa"})
        about = made.provenance.model_copy(update={"records_sha256": f"{i:064d}"})
        out.append(made.model_copy(update={"provenance": about}))
    return out


@pytest.mark.parametrize(("n_images", "ranks"), [(3, [None, None]), (25, [1, 2])])
def test_what_could_not_be_tested_has_no_rank_and_says_so(card, n_images, ranks):
    cards = _cards(card, 2)
    groups = group(cards)
    made = {
        c.provenance.records_sha256: few(v, n_images)
        for c, v in zip(cards, (0.2, 0.6), strict=True)
    }
    (table,) = drawn(groups, ranks=ranked(groups, made))
    assert sorted((row.rank for row in table.rows), key=str) == ranks[:: 1 if ranks[0] else -1]
    assert ("No model is ranked" in " ".join(table.notes)) == (n_images == 3)
    assert "ranked: " not in " ".join(drawn(groups)[0].notes)  # nobody asked
    assert "too few images, or some" not in " ".join(
        table.notes
    )  # beside why there are no intervals
    (differences,) = paired_tables(groups[0], made)
    why = " ".join(reasons(differences))
    assert ("Score more pairs (without --limit)" in why) == (n_images == 3)


def test_several_models_are_compared_with_the_baseline_or_the_best(card):
    cards = _cards(card, 3)
    (members,) = group(cards)
    hashes = [c.provenance.records_sha256 for c in cards]
    made = {digest: few(0.2 * i, 25) for i, digest in enumerate(hashes)}
    for baseline, others in {(): ["m1", "m0"], (hashes[1],): ["m2", "m0"]}.items():
        (table,) = paired_tables(members, made, baseline=baseline)
        assert [row.label for row in table.rows] == others
    with pytest.raises(KapbenchError, match="names 2 runs"):
        paired_tables(members, made, baseline=hashes[:2])


def test_notes_do_not_say_that_kap_is_undefined_where_it_was_not_asked_for(card):
    has = card(rules={"kap-v1": "1", "pck-v1": "2"})
    (table,) = drawn(group([has], ["pck-v1"]))
    said = " ".join(table.notes)
    assert "KAP is not among the selected rules. These runs have kap-v1." in said
    assert "not defined" not in said
    (table,) = drawn(group([card(rules={"pck-v1": "2"})]))
    assert "It is not defined" in " ".join(table.notes)


def test_the_oracles_scores_are_the_ceiling_of_each_rule(card):
    cards = [card("lite0"), card("oracle", 0.97, 0.62)]
    (table,) = drawn(group(cards))
    ceiling = "Highest possible scores (oracle): "
    assert f"{ceiling}kap-cvpr24@0.10 97.0, pck-sd-dino@0.10 62.0." in table.notes
    kap, skill, pck = drawn(group(cards), "category")
    assert "Highest" not in " ".join(skill.notes)
    assert f"{ceiling}kap-cvpr24@0.10 97.0." in kap.notes
    assert f"{ceiling}pck-sd-dino@0.10 62.0." in pck.notes
    assert "Highest" not in " ".join(drawn(group(cards[:1]))[0].notes)


def test_averages_are_of_every_pck_rule_that_the_runs_have(dots_runs):
    (_, _, pck) = shown(dots_runs, by="average")
    keys = pck["columns"]
    assert {"pck@0.10.point.mean", "pck-geoaware@0.10.image.pair_weighted"} <= set(keys)
    assert {"pck-v1@0.10.image.mean", "pck-v1@0.10.point.mean"} <= set(keys)
    run = load_card(dots_runs[0])
    (row,) = (row for row in pck["rows"] if row["label"] == run.model.name)
    for rule, average, over in (("pck-v1", "image", "mean"), ("pck-geoaware", "point", "pooled")):
        stored = run.score(rule, "pck", 0.10, over, average=average)
        assert row["scores"][f"{rule}@0.10.{average}.{over}"]["value"] == stored.value
        assert any(f"PCK by {rule} (" in note for note in pck["notes"])
        assert rule in pck["rules"]


def test_averages_are_of_the_rules_asked_for_alone(dots_runs):
    (pck,) = shown(dots_runs, by="average", rules=["pck-v1"])
    assert all(key.startswith("pck@0.10") for key in pck["columns"])
    assert list(pck["rules"]) == ["pck-v1"]


def test_the_notes_name_every_rule_that_has_a_column_and_no_other(card):
    has = card(rules={"kap-v1": "1", "pck-v1": "2", "geo": "3"})
    (table,) = drawn(group([has]), "twin")
    assert [rule.name for rule in table.rules] == ["kap-v1", "pck-v1", "geo"]
    assert any(note.startswith("PCK by geo (3)") for note in table.notes)
    (table,) = drawn(group([has], ["kap-v1"]), "twin")
    assert "geo" not in " ".join([*(c.key for c in table.columns), *table.notes[:2]])
    assert [rule.name for rule in table.rules] == ["kap-v1"]


def test_another_version_of_a_rule_has_no_number_in_its_column(card):
    def with_geo(name, value):
        return card(name, rules={"kap-cvpr24": "a", "pck-sd-dino": "b", "pck-v1": value})

    _, _, pck = drawn(group([with_geo("one", "1"), with_geo("two", "2")]), "average")
    (i,) = (i for i, column in enumerate(pck.columns) if column.key.startswith("pck-v1"))
    values = {row.label: row.cells[i].value for row in pck.rows}
    assert sorted(value is None for value in values.values()) == [False, True]
