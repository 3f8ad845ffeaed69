"""A submission that says something else than its records do is refused, each kind in its own words."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from submissions import edit, edit_records, only, planned_again, replace_records

from kapbench.running.results import RECORDS, load_card, load_records
from kapbench.scoring.geco_splits import GECO_SPLITS
from kapbench.scoring.part_scores import PART_SCORES
from kapbench.scoring.rules import load_rule
from kapbench.storage import file_hash
from kapbench_leaderboard.comparison import resamples_file
from kapbench_leaderboard.entries.schema import records_path, resamples_path
from kapbench_leaderboard.entries.untrusted_files import MEBI
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.submit.check_scores import wrong_remarks


def headline(content):
    (row,) = [
        r
        for r in content["run"]["scores"]
        if (r["metric"], r["alpha"], r["split"], r["category"]) == ("kap", 0.1, "all", "mean")
    ]
    return row


def test_an_honest_one_is_taken(entry):
    assert check(entry) == []


def test_a_score_changed(entry):
    edit(entry, lambda c: headline(c).update(value=headline(c)["value"] + 0.001))
    only(check(entry), "kap-cvpr24 kap@0.1 per category, all, mean: the score is")


def test_an_interval_narrowed(entry):
    edit(entry, lambda c: headline(c).update(low=headline(c)["value"] - 1e-4))
    only(check(entry), "all, mean: the low end of the interval is")


def test_an_interval_that_does_not_hold_its_score(entry):
    edit(entry, lambda c: headline(c).update(low=headline(c)["value"] + 0.01))
    only(check(entry), "all, mean: the low end of the interval is")


@pytest.mark.parametrize("counts", [{}, {"red": 12, "blue": 12}])
def test_images_of_categories_that_are_not_those_of_the_records(entry, counts):
    edit(entry, lambda c: c["run"]["dataset"].update(images_by_category=counts))
    only(check(entry), "images_by_category is ")


def test_a_wrong_n(entry):
    edit(entry, lambda c: headline(c).update(n=headline(c)["n"] + 1))
    only(check(entry), "n is")


def test_a_score_left_out_and_one_made_up(entry):
    edit(entry, lambda c: headline(c).update(split="symmetric-ish"))
    found = check(entry)
    only(found, "all, mean is missing")
    only(found, "symmetric-ish, mean is not a score of these rules")


def test_a_score_given_twice(entry):
    edit(entry, lambda c: c["run"]["scores"].append(headline(c) | {"value": 1.0, "high": 1.0}))
    only(check(entry), "The run card lists 1 score twice")


def test_a_row_dropped(entry):
    edit_records(entry, lambda rows: rows.drop(index=3))
    found = check(entry)
    only(found, "the data set has")
    assert "rows of" in found[0]


def test_a_row_duplicated(entry):
    edit_records(entry, lambda rows: pd.concat([rows, rows.iloc[[5]]]))
    only(check(entry), "the data set has")


def test_a_row_exchanged_for_an_easier_one(entry):
    def exchange(rows):
        rows = rows.copy()
        rows.loc[3, :] = rows.loc[4, :]
        return rows

    edit_records(entry, exchange)
    only(check(entry), "other pairs, keypoints or annotations")


@pytest.mark.parametrize(("column", "factor"), [("size_px", 2.0), ("target_visible", 0)])
def test_the_ground_truth_changed(entry, column, factor):
    edit_records(entry, lambda rows: rows.assign(**{column: rows[column] * factor}))
    only(check(entry), "other pairs, keypoints or annotations")


def test_predictions_changed_after_scoring(entry):
    edit_records(entry, lambda rows: rows.assign(**{"error_px@sd-dino": 0.0}))
    only(check(entry), "error_px@sd-dino is not the distance from the predicted point")


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("other_error_px@sd-dino", 0.0, "contradicts that of another row of the target image"),
        (
            "other_error_px@sd-dino",
            90.0,
            "is not the distance from the predicted point to the near",
        ),
        ("other_error_px@sd-dino", np.nan, "is NaN though the target shows another keypoint"),
        ("group_error_px@sd-dino", 1.0, "is NaN though group_visible counts such a member, or a"),
        ("on_object@sd-dino", -1, "is not -1 exactly where extent is 0"),
        ("on_object@sd-dino", 0, "is 0 between predicted points that lie in the bounding box"),
        ("extent", 0, "extent differs within one target image"),
        ("identity", 1.0, "identity is not a number exactly where the target shows it and another"),
    ],
)
def test_what_is_said_of_other_keypoints_and_the_object_changed(entry, column, value, what):
    def change(rows):
        changed = rows[column].to_numpy().copy()
        on_object = rows["on_object@sd-dino"] == 1
        changed[int(on_object.to_numpy()[7:].argmax()) + 7] = value
        return rows.assign(**{column: changed})

    edit_records(entry, change)
    only(check(entry), what)


def test_records_of_an_earlier_version_say_what_to_do(entry):
    stems = ("extent", "group_error_px", "other_error_px", "on_object")
    edit_records(entry, lambda rows: rows.drop(columns=[c for c in rows if c.startswith(stems)]))
    (finding,) = check(entry)
    assert finding == (
        "The records are of an earlier version of kapbench: they lack the columns that scoring "
        "version 4 added, such as extent.\n"
        "  fix: Run the model again with the present version of kapbench, and submit that run."
    )


def test_an_entry_of_version_4_has_no_identity_and_is_checked_without(entry):
    edit_records(entry, lambda rows: rows.drop(columns="identity"))
    only(check(entry), "identity is missing")
    edit(entry, lambda c: c["run"]["provenance"].update(scoring=4))
    edit(entry, lambda c: c["run"].update(scores=scores_of_version_4(c["run"]["scores"])))
    assert check(planned_again(entry)) == []


def scores_of_version_4(scores):
    later = {*PART_SCORES, *GECO_SPLITS}
    return [score for score in scores if not later & {score["metric"], score["split"]}]


def test_records_of_another_run(entry, other_run):
    records_path(entry).write_bytes((other_run / RECORDS).read_bytes())
    only(check(entry), "not the file that the entry names by its sha256")
    replace_records(entry, (other_run / RECORDS).read_bytes())
    only(check(entry), "the score is")


def test_records_that_the_run_was_not_scored_from(entry):
    edit(entry, lambda c: c["run"]["provenance"].update(records_sha256="0" * 64))
    only(check(entry), "scored from other records")


def test_resamples_of_another_model(entry, other_run):
    made = resamples_file.load(resamples_path(entry))
    column = made.columns["kap"]
    made.columns["kap"] = type(column)(
        column.value, column.products + np.float32(0.01), column.sums, column.n_images
    )
    resamples_file.save(resamples_path(entry), made)
    digest = file_hash(resamples_path(entry))
    only(check(entry), "not the file that the entry names")
    edit(entry, lambda c: c["resamples"].update(sha256=digest))
    only(check(entry), "kap/products differs from that of the records")


def test_a_rules_hash_changed(entry):
    edit(entry, lambda c: c["run"]["rules"][0].update(hash="0" * 12))
    only(check(entry), "Rule kap-cvpr24 has hash 000000000000, but the shipped rule has")


def test_a_rule_of_ones_own(entry):
    edit(entry, lambda c: c["run"]["rules"][0].update(name="kap-mine"))
    only(check(entry), "Rule kap-mine is not shipped")


@pytest.mark.parametrize("name", ["kap-v1", "kap-mine"])
def test_a_rule_with_a_definition_is_refused(entry, name):
    definition = json.loads(load_rule("kap-v1").model_dump_json()) | {"name": name}
    edit(entry, lambda c: c["run"]["rules"][0].update(name=name, definition=definition))
    said = "is not shipped" if name == "kap-mine" else "has definition"
    only(check(entry), f"Rule {name} {said}")


@pytest.mark.parametrize(
    ("field", "value"), [("headline", ["category", "horse"]), ("alphas", [0.1]), ("metric", "pck")]
)
def test_a_rule_that_says_other_choices_under_its_hash(entry, field, value):
    edit(entry, lambda c: c["run"]["rules"][0].update({field: value}))
    only(check(entry), f"Rule kap-cvpr24 has {field} ")


def test_a_rule_given_twice(entry):
    edit(entry, lambda c: c["run"]["rules"].append(c["run"]["rules"][0]))
    only(check(entry), "Rule kap-cvpr24 is listed 2 times")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none(entry, value):
    edit(entry, lambda c: headline(c).update(value=value))
    only(check(entry), "is not a finite number")


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\nb", "`rm`", "{{ config }}", ""])
def test_markup_in_a_name(entry, name):
    edit(entry, lambda c: c["run"]["model"].update(name=name))
    only(check(entry), "model.name")


@pytest.mark.parametrize("title", ["<b>best</b>", "", "x" * 300, "a\0b"])
def test_markup_in_a_card(entry, title):
    edit(entry, lambda c: c["card"].update(title=title))
    only(check(entry), "not a leaderboard entry")


@pytest.mark.parametrize(
    ("part", "field"), [("model", "name"), ("dataset", "name"), ("dataset", "split")]
)
def test_a_path_in_a_field(entry, part, field):
    edit(entry, lambda c: c["run"][part].update({field: "../../../etc/passwd"}))
    only(check(entry), f"{part}.{field}: '../../../etc/passwd' leads to another folder")


def test_a_path_in_the_runs_id(entry):
    edit(entry, lambda c: c["run"].update(plan_hash="../x"))
    only(check(entry), "plan_hash: '../x' leads to another folder")


@pytest.mark.parametrize("suffix", [".json", ".parquet", ".safetensors"])
def test_a_file_of_two_gigabytes_is_not_even_opened(entry, suffix, monkeypatch):
    path = entry.with_suffix(suffix)
    os.truncate(path, 2**31)
    monkeypatch.setattr(Path, "read_bytes", None)
    found = check(entry)
    only(found, f"The file has {2**31 // MEBI:,} MiB; at most")
    assert str(path) in "".join(found)


@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_a_file_that_is_missing(entry, suffix):
    entry.with_suffix(suffix).unlink()
    only(check(entry), "The file is missing")


def test_records_that_are_no_parquet(entry):
    replace_records(entry, b"PAR1 not at all")
    only(check(entry), "The records cannot be read")


def test_records_without_the_columns(entry):
    edit_records(entry, lambda rows: rows[["pair_id", "category", "keypoint"]])
    only(check(entry), "The columns of the records are not those of a run: source_image is missing")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("best@cvpr24", "high", "best@cvpr24 does not hold numbers"),
        ("error_px@sd-dino", pd.Timestamp(0), "error_px@sd-dino does not hold numbers"),
        ("bonus", 1.0, "bonus is unknown"),
    ],
)
def test_records_with_a_column_that_no_run_has(entry, column, value, said):
    edit_records(entry, lambda rows: rows.assign(**{column: value}))
    only(check(entry), f"The columns of the records are not those of a run: {said}")


def test_a_wrong_number_of_pairs(entry):
    edit(entry, lambda c: c["run"]["dataset"].update(n_pairs=61))
    only(check(entry), "n_pairs is 61, but the data set has 60")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (
            "categories_expected",
            ["dot", "spot"],
            "is dot, spot, but the data set has dot, ring, spot",
        ),
        ("n_pairs_expected", 60, "is 60, but the data set has 40"),
        ("licence", "CC0", "is CC0, but the data set has none"),
    ],
)
def test_a_part_that_claims_to_be_the_whole(entry, field, value, said):
    edit(entry, lambda c: c["run"]["dataset"].update({field: value}))
    only(check(entry), f"{field} {said}")


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ([], "dot, spot, and the run is of no category"),
        (["dot", "ring"], "spot, and the run is of dot, ring"),
    ],
)
def test_records_of_other_categories(entry, categories, said):
    edit(entry, lambda c: c["run"]["dataset"].update(categories=categories))
    only(check(entry), f"records have rows of {said}")


def test_another_data_set(entry):
    edit(entry, lambda c: c["run"]["dataset"].update(revision="another"))
    only(check(entry), "plan_hash is")
    only(check(planned_again(entry)), "no manifest of dots@another, test split")


def test_another_pairs_hash_is_not_that_of_the_records(entry):
    edit(entry, lambda c: c["run"]["dataset"].update(pairs_hash="0" * 16))
    only(check(entry), "plan_hash is")
    only(check(planned_again(entry)), "pairs_hash is 0000000000000000, but that of the records is")


def test_a_file_moved_to_another_model(entry):
    place = entry.parents[1] / "better" / entry.name
    place.parent.mkdir()
    entry.rename(place)
    only(check(place), "but it lies at")


def test_uncommitted_changes(entry):
    edit(entry, lambda c: c["run"]["provenance"].update(git_dirty=True))
    only(check(entry), "uncommitted changes")


def test_a_field_that_nobody_knows(entry):
    edit(entry, lambda c: c.update(bonus=1))
    only(check(entry), "Key 'bonus' is unknown")


def test_a_card_that_lacks_a_field(entry):
    edit(entry, lambda c: c["card"].pop("licence"))
    only(check(entry), "Key 'card.licence' is missing")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "not a url"])
def test_an_address_that_is_none(entry, url):
    edit(entry, lambda c: c["card"].update(paper=url))
    only(check(entry), "Key 'card.paper'")


def test_a_newer_schema(entry):
    edit(entry, lambda c: c.update(schema_version=99))
    only(check(entry), "The entry has schema 99, and this kapbench reads schemas up to 1")


@pytest.mark.parametrize(
    "content", ["{", '{"schema_version": Infinity}', "[" * 100_000], ids=["cut", "infinite", "deep"]
)
def test_no_json(entry, content):
    entry.write_text(content)
    only(check(entry), "not a leaderboard entry")


def test_everything_that_is_wrong_is_said_at_once(entry):
    def spoil(content):
        content["run"]["model"]["name"] = "a<b"
        content["run"]["rules"][0]["hash"] = "x"
        content["run"]["provenance"]["git_dirty"] = True

    edit(entry, spoil)
    assert len(check(entry)) == 4  # and the path is another's


def test_a_remark_on_the_maps_added(entry):
    edit(entry, lambda c: c["run"].update(remarks=["All is well"]))
    assert check(entry) == [
        "The remarks on the similarity maps are not those of the records: none."
    ]


def test_a_remark_on_the_maps_left_out(run):
    of_run, rows = load_card(run), load_records(run)
    constant = {c: np.float32(0.5) for c in rows if c.startswith(("best@", "map_m"))}
    (finding,) = wrong_remarks(of_run, rows.assign(**constant))
    assert finding.startswith(
        "The remarks on the similarity maps are not those of the records: In "
    )
    assert list(wrong_remarks(of_run, rows)) == []
