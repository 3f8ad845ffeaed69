"""Parquet that is small on disk and large in memory."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kapbench.errors import KapbenchError
from kapbench.scoring.schema import TEXT
from kapbench_leaderboard.entries import unfold


def packed(table, **how):
    """To be written by the test: the import of this module is every worker's."""

    def content() -> bytes:
        file = io.BytesIO()
        pq.write_table(table, file, compression="zstd", **how)
        return file.getvalue()

    return content


ZEROS = pa.array(np.zeros(1_900_000))
NAME = pa.array(["a" * 5000]).dictionary_encode().take(pa.array([0] * 10))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(pa.table([ZEROS] * 80, [f"x{i}" for i in range(80)]), use_dictionary=False), "MiB"),
        (packed(pa.table({"pair_id": NAME})), "a text of more than 2,000 bytes"),
        (packed(pa.table({"x": NAME})), "x does not hold numbers"),
        (packed(pa.table({"pair_id": pa.array([1])})), "pair_id does not hold texts"),
        (packed(pa.table({"x": pa.array([[1]])})), "x does not hold numbers"),
        (packed(pa.table([pa.array([1])] * 2, ["x", "x"])), "two columns named x"),
        (packed(pa.table({"x": ZEROS[:9000]}), row_group_size=1), None),
        (packed(pa.table({"x": pa.nulls(2_100_000, pa.int8())})), "2,100,000 rows"),
        (b"PAR1", "cannot be read"),
        (b"PAR1" + (2**31).to_bytes(4, "little") + b"PAR1", "footer of more than 8 MiB"),
    ],
)
def test_what_is_refused(content, message):
    refusal = unfold._refusal(content() if callable(content) else content, list(TEXT))
    assert (refusal is None) == (message is None)
    assert message is None or message in refusal


def test_the_reader_has_little_memory(tmp_path, monkeypatch):
    """A column whose stated size is untrue is read in another process, which the limit ends."""
    rows = pd.DataFrame({"pair_id": ["p"], "keypoint": [1]})
    unfold.refuse_bomb(rows.to_parquet(), tmp_path)
    monkeypatch.setattr(unfold.sys, "executable", "/bin/false")
    with pytest.raises(KapbenchError, match="end the process that reads them, with status 1"):
        unfold.refuse_bomb(rows.to_parquet(), tmp_path)


def test_of_several_files_the_unfit_one_is_named(tmp_path):
    rows = pd.DataFrame({"pair_id": ["p"], "keypoint": [1]})
    good, bad = tmp_path / "good", tmp_path / "bad"
    with pytest.raises(KapbenchError) as caught:
        unfold.refuse_bombs([(rows.to_parquet(), good), (b"PAR1nothing", bad), (b"", good)])
    assert caught.value.place == str(bad) or str(bad) in str(caught.value)
