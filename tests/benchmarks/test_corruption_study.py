"""The study of corruptions: its images are the same for all, and it writes its tables into a page."""

import corruptions
import pandas as pd
import pytest
from dots import Dots

from kapbench.datasets.altering.alter import alter
from kapbench.protocols import Dataset


def test_pairs_between_a_few_images_of_each_category():
    few = corruptions.FewImages(Dots(n_images=5), 3)
    assert isinstance(few, Dataset)
    assert [len(few.views([category])) for category in few.categories] == [3, 3]
    assert len(few.pairs()) == few.coverage.n_pairs == 2 * 3 * 2
    images = {view.image_id for view in few.views()}
    assert {i for p in few.pairs() for i in (p.source.image_id, p.target.image_id)} == images
    corrupted = alter(few, corrupt="fog:3")
    assert [p.pair_id for p in corrupted.pairs()] == [p.pair_id for p in few.pairs()]
    assert corrupted.revision == "1-3-images-fog-3"


@pytest.fixture
def drops():
    row = {"model": "lite0", "corruption": "fog", "clean": 0.5, "low": 0.1, "high": 0.3}
    return pd.DataFrame(
        [
            {**row, "metric": metric, "severity": severity, "drop": 0.02 * severity - 0.03}
            for metric in ("kap", "pck")
            for severity in (1, 5)
        ]
    )


def test_the_page_gets_the_tables_between_its_marks(tmp_path, drops):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    for _ in range(2):
        corruptions.write_page(page, corruptions.tables(drops, [], 7))
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    assert "| lite0 | 50.0 | 50.0 |" in lines
    assert "| lite0 | fog | −1 (10 … 30) | 7 (10 … 30) | −1 (10 … 30) | 7 (10 … 30) |" in lines
