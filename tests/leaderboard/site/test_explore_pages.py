"""Pages of synthetic pairs that a site is built with, by a model that is really run."""

import pytest
from boards import drawn

from kapbench_leaderboard.site.build import build


@pytest.mark.slow
def test_a_model_that_is_run_here_has_a_page_that_its_own_page_links_to(tmp_path):
    drawn(tmp_path / "results", {"lite0": 0.5, "other": 0.4})
    build(tmp_path / "results", tmp_path / "site", explore=("lite0",))
    page = (tmp_path / "site" / "explore" / "lite0.html").read_text(encoding="utf-8")
    assert "lite0" in page
    assert "data:image/webp" in page  # the images of the pairs
    assert 'href="../explore/lite0.html"' in (tmp_path / "site/models/lite0.html").read_text()
    assert "../explore/" not in (tmp_path / "site/models/other.html").read_text()
