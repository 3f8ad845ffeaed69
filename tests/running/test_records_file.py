"""Records read by the column say what the whole table says, and little of them is held."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from tiny_world import RULES, TinyDataset, evaluate

from kapbench.errors import KapbenchError
from kapbench.running import join_chunks as joining
from kapbench.running import records_file
from kapbench.running.records_file import StoredRecords
from kapbench.running.result_set import ResultSet
from kapbench.running.results import open_records
from kapbench.scoring import average_precision
from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.schema import TEXT
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


@pytest.mark.parametrize("content", [b"", b"text", b"PAR1" * 3, b"PAR1\xff\xff\xff\x7fPAR1"])
def test_a_file_that_is_no_parquet_is_named(tmp_path, content):
    place = tmp_path / "records.parquet"
    place.write_bytes(content)
    for read in (lambda r: r.columns, len, lambda r: r.table(), lambda r: r["error_px"]):
        with pytest.raises(KapbenchError, match="cannot be read as parquet") as caught:
            read(StoredRecords(place, CATEGORIES))
        assert caught.value.place == place


def test_a_parquet_file_that_was_cut_is_named(path, tmp_path):
    place = tmp_path / "records.parquet"
    place.write_bytes(path.read_bytes()[2000:])
    with pytest.raises(KapbenchError, match="cannot be read as parquet"):
        StoredRecords(place, CATEGORIES).table()


@pytest.mark.parametrize("categories", [("cat", "dog"), CATEGORIES])
def test_each_column_is_that_of_the_whole_table(path, categories):
    whole, by_column = pd.read_parquet(path), StoredRecords(path, categories)
    assert len(by_column) == len(whole)
    assert pq.read_metadata(path).num_row_groups > 10
    for name in TEXT:
        known = categories if name == "category" else whole[name].unique()
        whole[name] = pd.Categorical(whole[name], sorted(known))
    for name in (*whole, *whole):
        assert_series_equal(by_column[name], whole[name], check_names=False)
    assert_frame_equal(by_column.table(), whole)
    some = ["error_px@sd-dino", "category"]
    assert_frame_equal(by_column.table(some), whole[some])


@pytest.mark.parametrize(
    ("kept", "ranked"), [(1, 3), (records_file.KEPT_BYTES, average_precision._MOST)]
)
def test_scores_are_those_of_the_whole_table_to_the_bit(path, monkeypatch, kept, ranked):
    def scores(records):
        return repr(score_table(records, RULES, resampling=Resampling.of(records, 30)))

    expected = scores(StoredRecords(path, CATEGORIES).table())
    monkeypatch.setattr(records_file, "KEPT_BYTES", kept)
    monkeypatch.setattr(average_precision, "_MOST", ranked)
    assert scores(StoredRecords(path, CATEGORIES)) == expected


def test_columns_that_no_score_needs_are_not_read(path, tmp_path, monkeypatch):
    wide = tmp_path / "wide.parquet"
    table = pq.read_table(path)
    for i in range(80):
        table = table.append_column(f"more@{i}", pa.array(np.arange(len(table)) + 0.5))
    pq.write_table(table, wide)
    columns_read, read = [], pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile,
        "read",
        lambda self, columns=None: columns_read.append(columns) or read(self, columns=columns),
    )
    score_table(StoredRecords(wide, CATEGORIES), RULES)
    assert all(len(columns) == 1 for columns in columns_read)
    read_now = {columns[0] for columns in columns_read}
    assert read_now
    assert not any(name.startswith("more@") for name in read_now)
    assert len(columns_read) == len(read_now)  # so small a table is read once


def test_a_table_without_rows_and_a_column_that_is_not_there(path, tmp_path):
    none = tmp_path / "none.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), none)
    by_column = StoredRecords(none, CATEGORIES)
    whole = by_column.table()
    assert len(whole) == 0
    assert list(whole["category"].cat.categories) == sorted(CATEGORIES)
    for name in whole:
        assert_series_equal(by_column[name], whole[name], check_names=False)
    for name in ("no such column", "error_px"):
        with pytest.raises(KeyError, match=name):
            by_column[name]


def test_a_run_reads_the_whole_table_only_for_who_asks(tmp_path, monkeypatch):
    read_whole, table = [], StoredRecords.table

    def spy(self, names=None):
        if names is None:
            read_whole.append(self.path)
        return table(self, names)

    monkeypatch.setattr(StoredRecords, "table", spy)
    for _ in range(2):  # the second time it is there already
        made = evaluate(tmp_path)
    assert not read_whole
    assert len(made.records)
    assert read_whole == [made.folder / "records.parquet"]


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
        open_records(folder)


@pytest.mark.parametrize("as_categories", [False, True])
def test_text_is_read_alike_however_it_is_stored(path, tmp_path, as_categories):
    rows = StoredRecords(path, CATEGORIES).table()
    text = dict.fromkeys(TEXT, "category" if as_categories else "str")
    other = tmp_path / "other.parquet"
    rows[::-1].astype(text).to_parquet(other, index=False)
    read = StoredRecords(other, CATEGORIES).table()
    assert_frame_equal(read, rows[::-1].reset_index(drop=True))


def test_rows_without_text_or_of_another_category_are_refused(path, tmp_path):
    rows = pd.read_parquet(path)
    changed = tmp_path / "changed.parquet"
    rows.assign(pair_id=rows["pair_id"].where(rows.index > 1)).to_parquet(changed, index=False)
    with pytest.raises(KapbenchError, match="have 2 rows without pair_id"):
        StoredRecords(changed, CATEGORIES).table()
    with pytest.raises(KapbenchError, match="have rows of dog, and the run is of cat"):
        _ = StoredRecords(path, ("cat",))["category"]
