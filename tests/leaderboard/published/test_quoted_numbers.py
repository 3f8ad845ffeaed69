"""The numbers of published.json agree among themselves, as a slip in copying would not let them."""

import re
from collections import defaultdict

import numpy as np
import pytest

from kapbench.cli.run import run
from kapbench_leaderboard.published.load import published, repeatable
from kapbench_leaderboard.published.schema import Quoted, Table
from kapbench_leaderboard.reproduce.requests import words_of_run

N_ROWS = {  # of each table, as counted in its source
    "sd-dino": [8, 3, 3, 1, 6, 4, 1],
    "geoaware": [2],
    "3d-sc": [14, 12, 12, 12, 11, 8],
    "dtm": [2, 2, 2, 3],
    "asic": [1, 1, 1],
    "diy-sc": [6, 6, 6, 6],
    "marco": [2, 2],
    "visual-ai": [1, 1],
    "probe3d": [9, 9, 9, 9],
    "dinov3": [6],
    "omniprobe": [61, 61, 24, 24, 24, 24, 24, 24, 61, 61, 26, 26, 25],
    "soco": [14] * 8,
}
# The average over categories is none of the usual ones: as printed, 1.7 above their mean.
ODD_AVERAGE = "sd-dino.spair-trained.vgg+mls"
NO_REPOSITORY = ("https://arxiv.org/abs/", "not known")


@pytest.fixture(scope="module")
def quoted() -> Quoted:
    return published()


@pytest.fixture(scope="module")
def tables(quoted) -> dict[str, Table]:
    return {table.name: table for table in quoted.tables}


def at_a_tenth(table: Table) -> dict[str, float]:
    return {row.method: row.values[0.1] for row in table.rows}


def test_no_row_of_a_source_is_lost(quoted):
    counted = defaultdict(list)
    for table in quoted.tables:
        counted[table.name.partition(".")[0]].append(len(table.rows))
    assert counted == N_ROWS


def test_numbers_of_a_repository_are_found_by_commit_and_line_or_page(quoted):
    for table in quoted.tables:
        if table.address.startswith(NO_REPOSITORY):
            continue
        assert re.search(r"/blob/[0-9a-f]{40}/.+(#L\d+|#page=\d+|\.ipynb$)", table.address), table


def test_a_larger_radius_never_loses_a_keypoint(quoted):
    for table, row in quoted.rows():
        by_alpha = [row.values[alpha] for alpha in sorted(row.values)]
        assert by_alpha == sorted(by_alpha), f"{table.name}.{row.name}"


def test_an_average_is_near_the_mean_of_its_categories(quoted):
    """Weights of pairs and of keypoints move it by about a point; the mean itself only by rounding."""
    of_categories = {"asic", "dtm.spair-points"}
    for table, row in quoted.rows():
        name = f"{table.name}.{row.name}"
        if not row.categories or name == ODD_AVERAGE:
            continue
        exact = {table.name, table.name.partition(".")[0]} & of_categories
        mean = np.mean([*row.categories.values()])
        assert next(iter(row.values.values())) == pytest.approx(mean, abs=0.1 if exact else 1.2), (
            name
        )


def test_soco_s_average_is_one_weighting_of_its_super_categories(tables):
    """The shares of the 100 categories; a wrong digit in any of 70 numbers leaves a residual."""
    averages = at_a_tenth(tables["soco.soc"])
    names = ("transportation", "hand-held", "furniture", "animals")
    parts = [at_a_tenth(tables[f"soco.soc-{name}"]) for name in names]
    matrix = np.array([[part[method] for part in parts] for method in averages])
    shares, *_ = np.linalg.lstsq(matrix, [*averages.values()], rcond=None)
    assert shares.sum() == pytest.approx(1, abs=0.001)
    np.testing.assert_allclose(matrix @ shares, [*averages.values()], atol=0.1)


@pytest.mark.parametrize(
    ("exact", "looser"),
    [
        *((f"omniprobe.{t}", f"omniprobe.{t}-cc") for t in ("intra", "cross", "intra-60")),
        *((f"omniprobe.{t}", f"omniprobe.{t}-cc") for t in ("cross-60", "intra-soft")),
        ("omniprobe.intra-probe", "omniprobe.intra-probe-cc"),
        ("soco.soc", "soco.cc"),
        ("soco.cross-soc", "soco.soc"),
    ],
)
def test_a_looser_task_is_solved_more_often_by_every_model(tables, exact, looser):
    low, high = at_a_tenth(tables[exact]), at_a_tenth(tables[looser])
    assert low.keys() == high.keys()
    assert all(high[method] > low[method] for method in low)


def test_copies_of_one_row_are_equal(tables):
    """Three rows of 3D-SC's per-keypoint table are printed by two papers."""

    def row(table, name):
        [one] = [row for row in tables[table].rows if row.name == name]
        return one.values[0.1], one.categories

    for copy, table, name in (
        ("dinov2-nearest-neighbour", "sd-dino.spair", "dinov2-b14"),
        ("sd+dinov2-zero-shot", "sd-dino.spair", "sd+dinov2-b14"),
        ("dift", "dtm.spair-points", "dift"),
    ):
        assert row("3d-sc.spair-points", copy) == row(table, name)


def test_every_row_s_command_is_one_that_kapbench_run_reads(quoted):
    commands = {}
    for table, row in quoted.rows():
        if (target := repeatable(quoted, table, row)) is None:
            continue
        parts, measure = target.parts, target.measure
        options = {**parts.options, **measure.model_options, **dict.fromkeys(parts.needs, "FILE")}
        rules = list(dict.fromkeys(way.rule for way in measure.ways))
        words = words_of_run(
            parts.model,
            options,
            measure.dataset,
            measure.dataset_options,
            measure.split,
            rules,
            None,
        )
        commands[words] = (target.name, rules, options)
    assert len(commands) > 60
    for words, (name, rules, options) in commands.items():
        chosen = run.make_context("run", [*words[2:]]).params
        texts = tuple(f"{key}={str(v).lower() if v is True else v}" for key, v in options.items())
        assert (chosen["rules"], chosen["model_options"]) == (tuple(rules), texts), name
