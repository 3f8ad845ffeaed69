"""Records read by the column say what the whole table says, and little of them is held."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_series_equal
from tiny_world import RULES, TinyDataset, evaluate

from kapbench.errors import KapbenchError
from kapbench.running import join_chunks as joining
from kapbench.running import records_file, results
from kapbench.running.records_file import StoredRecords
from kapbench.running.results import ResultSet, read_records
from kapbench.scoring import average_precision
from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.score_table import score_table

CATEGORIES = ("emu", "dog", "cat")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Row groups of seven pairs: each has a dictionary of its own."""
    root = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "STRETCH_PAIRS", 7)
        return evaluate(root, dataset=TinyDataset(n_images=8))


@pytest.fixture(scope="module")
def path(done):
    return done.folder / "records.parquet"


@pytest.mark.parametrize("categories", [("cat", "dog"), CATEGORIES])
def test_each_column_is_that_of_the_whole_table(path, categories):
    whole, by_column = read_records(path, categories), StoredRecords(path, categories)
    assert len(by_column) == len(whole)
    assert pq.read_metadata(path).num_row_groups > 10
    for name in (*whole, *whole):
        assert_series_equal(by_column[name], whole[name], check_names=False)


@pytest.mark.parametrize(
    ("kept", "ranked"), [(1, 3), (records_file.KEPT_BYTES, average_precision._MOST)]
)
def test_scores_are_those_of_the_whole_table_to_the_bit(path, monkeypatch, kept, ranked):
    def scores(records):
        return repr(score_table(records, RULES, resampling=Resampling.of(records, 30)))

    expected = scores(read_records(path, CATEGORIES))
    monkeypatch.setattr(records_file, "KEPT_BYTES", kept)
    monkeypatch.setattr(average_precision, "_MOST", ranked)
    assert scores(StoredRecords(path, CATEGORIES)) == expected


def test_columns_that_no_score_needs_are_not_read(path, tmp_path, monkeypatch):
    wide = tmp_path / "wide.parquet"
    table = pq.read_table(path)
    for i in range(80):
        table = table.append_column(f"more@{i}", pa.array(np.arange(len(table)) + 0.5))
    pq.write_table(table, wide)
    calls, read = [], pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile,
        "read",
        lambda self, columns=None: calls.append(columns) or read(self, columns=columns),
    )
    score_table(StoredRecords(wide, CATEGORIES), RULES)
    assert all(len(columns) == 1 for columns in calls)
    read_now = {columns[0] for columns in calls}
    assert read_now
    assert not any(name.startswith("more@") for name in read_now)
    assert len(calls) == len(read_now)  # so small a table is read once


def test_a_table_without_rows_and_a_column_that_is_not_there(path, tmp_path):
    none = tmp_path / "none.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), none)
    whole, by_column = read_records(none, CATEGORIES), StoredRecords(none, CATEGORIES)
    for name in whole:
        assert_series_equal(by_column[name], whole[name], check_names=False)
    with pytest.raises(KeyError):
        by_column["no such column"]


def test_a_run_reads_the_whole_table_only_for_who_asks(tmp_path, monkeypatch):
    paths = []
    read = results.read_records
    monkeypatch.setattr(results, "read_records", lambda p, c: paths.append(p) or read(p, c))
    for _ in range(2):  # the second time it is there already
        made = evaluate(tmp_path)
    assert not paths
    assert len(made.records)
    assert paths == [made.folder / "records.parquet"]


def test_a_result_is_checked_when_it_is_loaded_and_when_it_is_read(done, tmp_path):
    folder = tmp_path / "copied"
    folder.mkdir()
    for name in ("run.json", "records.parquet"):
        (folder / name).write_bytes((done.folder / name).read_bytes())
    result = ResultSet.load(folder)
    assert len(ResultSet.load(folder).records) == len(done.records)
    (folder / "records.parquet").write_bytes(b"other")
    with pytest.raises(KapbenchError, match="were changed"):
        _ = result.records
    with pytest.raises(KapbenchError, match="were changed"):
        ResultSet.load(folder)
    with pytest.raises(KapbenchError, match="were changed"):
        StoredRecords.of(folder)
