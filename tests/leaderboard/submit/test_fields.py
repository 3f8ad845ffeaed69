"""Every field of what is stored of a submission, and what keeps a submitter from choosing it."""

from typing import get_args

import pytest
from pydantic import BaseModel

from kapbench.running.results import DatasetCard, ModelCard, Provenance, RuleCard, RunCard
from kapbench.scoring.score_table import Score
from kapbench_leaderboard.comparison import resamples, resamples_file
from kapbench_leaderboard.entries.schema import Entry, StoredFile, SubmissionCard
from kapbench_leaderboard.submit.dataset_digest import CategoryManifest, Manifest

RECOMPUTED = "computed again from the records or from the run card"
COMPARED = "compared with the shipped rule, manifest, control or version"
TEXT = "free text, checked by check_text"
NOT_RANKED = "a free number within bounds, used in no rank, interval, p-value or chart"
CLAIM = "a claim of the submitter, shown on no page"
INSIDE = "a model whose own fields are listed"
OF_FIELDS: dict[type[BaseModel], dict[str, str]] = {
    Entry: {
        "schema_version": COMPARED,
        "card": INSIDE,
        "run": INSIDE,
        "records": INSIDE,
        "resamples": INSIDE,
    },
    StoredFile: {"sha256": RECOMPUTED, "n_bytes": RECOMPUTED, "url": TEXT},
    SubmissionCard: {
        **dict.fromkeys(("title", "authors", "paper", "code", "licence", "backbone"), TEXT),
        **dict.fromkeys(("weights_sha256", "training_data", "command", "notes"), TEXT),
        "supervision": COMPARED,  # with the run card
        **dict.fromkeys(("input_px", "n_parameters", "seconds_per_image"), NOT_RANKED),
        "adapter": TEXT,
        "adapter_sha256": RECOMPUTED,  # from the adapter's file
    },
    RunCard: {
        "schema_version": COMPARED,
        "label": COMPARED,  # none
        "command": COMPARED,  # none
        "model": INSIDE,
        "dataset": INSIDE,
        "rules": INSIDE,
        "plan_hash": RECOMPUTED,
        "provenance": INSIDE,
        "scores": INSIDE,
        "remarks": RECOMPUTED,
    },
    ModelCard: {
        "name": TEXT,  # and in plan_hash; those of controls are kept for them
        "revision": TEXT,  # and in plan_hash
        "kind": COMPARED,
        "conditions_on": COMPARED,  # and in plan_hash
        "similarity": COMPARED,  # and in plan_hash
        "supervision": COMPARED,  # whether it is keypoints decides the columns, and is in plan_hash
        "trained_on": TEXT,
        "options": TEXT,
        "window": RECOMPUTED,  # decides the columns, and is in plan_hash
        "over": TEXT,
        "licence": TEXT,
    },
    DatasetCard: {
        **dict.fromkeys(("name", "revision", "split", "licence"), COMPARED),
        **dict.fromkeys(("categories", "n_pairs", "n_images", "pairs_hash"), RECOMPUTED),
        "images_by_category": RECOMPUTED,
        **dict.fromkeys(("categories_expected", "n_pairs_expected"), COMPARED),
        "limit": COMPARED,  # none
        "alterations": COMPARED,  # none
        "remarks": TEXT,
    },
    RuleCard: dict.fromkeys(
        ("name", "hash", "metric", "headline", "alphas", "definition"), COMPARED
    ),
    Provenance: {
        "kapbench": COMPARED,  # not newer than this one
        "scoring": COMPARED,  # and in plan_hash
        **dict.fromkeys(("python", "packages", "git_commit", "platform", "device"), TEXT),
        "started": TEXT,
        "git_dirty": COMPARED,
        "seconds": NOT_RANKED,
        "seconds_per_image": NOT_RANKED,
        "seed": COMPARED,
        "records_sha256": RECOMPUTED,
        "isolated": CLAIM,
    },
    Score: dict.fromkeys(Score.model_fields, RECOMPUTED),
}
OF_ARRAYS = dict.fromkeys(
    (
        *("value", "products", "sums", "n_images", "weights"),
        *("keypoint_category", "keypoint", "keypoint_score", "keypoint_effect"),
    ),
    RECOMPUTED,
)
OF_RESAMPLES = {"key": RECOMPUTED, "categories": RECOMPUTED, "columns": RECOMPUTED}


@pytest.mark.parametrize("model", OF_FIELDS, ids=lambda model: model.__name__)
def test_no_field_is_left_to_the_submitter(model):
    assert set(OF_FIELDS[model]) == set(model.model_fields) - {"left_out"}


def test_every_model_inside_an_entry_is_listed():
    seen, left = set(), [Entry]
    while left:
        model = left.pop()
        seen.add(model)
        for field in model.model_fields.values():
            hints = [field.annotation]
            while hints:
                hint = hints.pop()
                hints += get_args(hint)
                if isinstance(hint, type) and issubclass(hint, BaseModel) and hint not in seen:
                    left.append(hint)
    of_rules = ("kapbench.scoring.rules", "kapbench.scoring.decodes")  # refused: no definition
    rules = {m for m in seen if m.__module__ in of_rules}
    assert seen - rules == set(OF_FIELDS)


def test_every_part_of_the_resamples_is_listed():
    assert set(OF_ARRAYS) == set(resamples_file.PARTS)
    assert set(OF_RESAMPLES) | {"weights", "keypoints"} == set(
        resamples.Resamples.__dataclass_fields__
    )


def test_every_shipped_manifest_has_all_digests_and_sizes():
    from kapbench_leaderboard.submit.dataset_digest import shipped

    assert set(CategoryManifest.model_fields) == {
        "n_pairs",
        "n_rows",
        "digest",
        "points",
        "renumbered",
    }
    assert "image_sizes" in Manifest.model_fields
    for manifest in shipped().values():
        assert manifest.image_sizes
        for category in manifest.categories.values():
            assert category.points is not None
            assert 3 in category.renumbered
