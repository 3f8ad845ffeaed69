"""Runs, chunks and features that an earlier version stored are read, resumed and reused."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from dots import Dots
from pandas.testing import assert_frame_equal

import kapbench
from kapbench.cli.main import main
from kapbench.features import match
from kapbench.identity.model_identity import mark_made_by_name
from kapbench.running.results import find_runs
from kapbench.scoring.geco_splits import GECO_SPLITS
from kapbench.scoring.part_scores import PART_SCORES

STORED = Path(__file__).parents[1] / "stored"
[FOLDER] = find_runs(STORED / "finished")
RULES = ["kap-cvpr24", "pck-sd-dino"]
N_PAIRS, N_ROWS, KAP = 144, 512, 0.4760177763831423


def model(name: str):
    spec = importlib.util.spec_from_file_location("exact_model", STORED / "exact_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = getattr(module, name)()
    mark_made_by_name(made)  # an earlier version added no digits to an object's revision
    return made


def evaluate(name: str, runs: Path, cache: Path) -> kapbench.ResultSet:
    return kapbench.evaluate(
        model(name),
        Dots(n_images=9),
        rule=RULES,
        runs=runs,
        cache=cache,
        device="cpu",
        intervals=False,
    )


@pytest.fixture
def cache(tmp_path) -> Path:
    return Path(shutil.copytree(STORED / "cache", tmp_path / "cache"))


def test_a_stored_run_is_read():
    result = kapbench.ResultSet.load(FOLDER)
    assert (result.card.model.name, result.card.dataset.n_pairs) == ("signs", N_PAIRS)
    assert [rule.name for rule in result.card.rules] == RULES
    assert len(result.records) == N_ROWS
    assert list(result.records["category"].cat.categories) == ["dot", "spot"]
    assert result.headline("kap-cvpr24") == pytest.approx(KAP, abs=1e-9)
    assert result.scores["low"].isna().any()  # null in run.json
    assert result.scores["low"].notna().any()


def test_a_stored_run_is_compared():
    shown = CliRunner().invoke(main, ["compare", str(STORED / "finished")], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert "signs" in shown.output
    assert f"{100 * KAP:.1f}" in shown.output


def assert_records_of_stored_run(result: kapbench.ResultSet) -> None:
    """To the bit, with the columns that were added since."""
    stored, records = kapbench.ResultSet.load(FOLDER).records, result.records
    assert_frame_equal(records[list(stored)], stored, check_exact=True, check_dtype=False)
    added = {name.partition("@")[0] for name in set(records) - set(stored)}
    assert added == {"extent", "group_error_px", "other_error_px", "on_object", "identity"}


def test_the_same_run_today_has_the_same_records_to_the_bit(tmp_path, cache):
    stored, again = kapbench.ResultSet.load(FOLDER), evaluate("Signs", tmp_path / "runs", cache)
    assert again.folder.parts[-4:-1] == FOLDER.parts[-4:-1]
    assert_records_of_stored_run(again)
    columns = ["rule", "metric", "average", "alpha", "split", "category", "n", "value"]
    is_new = again.scores["metric"].isin(["kap_skill", "absence_auroc", *PART_SCORES])
    is_new |= again.scores["split"].isin(GECO_SPLITS)
    scores = again.scores.loc[~is_new, columns].reset_index(drop=True)
    # No keypoint has a mirror counterpart: the split has no negative, and so no score since.
    twins = scores["split"] == "absent_with_twin"
    assert scores.loc[twins, "value"].isna().all()
    assert_frame_equal(scores[~twins], stored.scores.loc[~twins, columns], rtol=0, atol=1e-12)


def test_features_of_a_stored_cache_are_not_encoded_again(tmp_path, cache):
    assert_records_of_stored_run(evaluate("NeverEncodes", tmp_path / "runs", cache))


@pytest.fixture
def scored_targets(monkeypatch) -> list[int]:
    """Grows by one with every target image whose pairs are scored."""
    counted, similarity = [], match.similarity

    def count(queries, *rest):
        counted.append(len(queries))
        return similarity(queries, *rest)

    monkeypatch.setattr(match, "similarity", count)
    return counted


def test_chunks_of_an_unfinished_run_that_lack_columns_are_not_joined(
    tmp_path, cache, scored_targets
):
    runs = Path(shutil.copytree(STORED / "unfinished", tmp_path / "runs"))
    again = evaluate("NeverEncodes", runs, cache)
    assert len(scored_targets) == 18  # also the 16 target images of the stored chunk
    assert_records_of_stored_run(again)


def test_a_stored_run_of_an_earlier_scoring_is_kept_beside_todays(tmp_path, cache, scored_targets):
    runs = Path(shutil.copytree(STORED / "finished", tmp_path / "runs"))
    [kept], stored = find_runs(runs), kapbench.ResultSet.load(FOLDER)
    again = evaluate("NeverEncodes", runs, cache)
    assert len(scored_targets) == 18
    assert again.card.provenance.scoring > stored.card.provenance.scoring
    assert set(find_runs(runs)) == {kept, again.folder}
    assert kapbench.ResultSet.load(kept).card == stored.card
    scored_targets.clear()
    assert evaluate("NeverEncodes", runs, cache).card == again.card
    assert scored_targets == []
