"""published.json: its form, what repeats its rows, and where its numbers disagree."""

import importlib.util
import json
from pathlib import Path

import pytest

from kapbench import registry
from kapbench.datasets.symmetry import n_keypoints
from kapbench.errors import KapbenchError
from kapbench.loading import check_model
from kapbench.scoring.rules import load_rule
from kapbench.scoring.score_table import score_requests
from kapbench_leaderboard.published import disagreements as disagreeing
from kapbench_leaderboard.published.load import find_row, numbers, published, repeatable
from kapbench_leaderboard.published.schema import Quoted
from kapbench_leaderboard.reproduce.targets import known_disagreement

ROOT = Path(__file__).parents[3]
FILE = ROOT / "leaderboard" / "kapbench_leaderboard" / "published.json"


@pytest.fixture(scope="module")
def quoted() -> Quoted:
    return published()


def value(quoted, name, alpha=0.1):
    return next(n.value for n in numbers(quoted) if (n.name, n.alpha) == (name, alpha))


def test_every_row_says_what_repeats_it_or_why_nothing_does(quoted):
    models = registry.names("models")
    for table, row in quoted.rows():
        target = repeatable(quoted, table, row)
        if target is None:
            assert row.why_not or table.why_not
            continue
        assert target.parts.hub or target.parts.needs
        assert any(
            name in models or name.startswith(target.parts.model.split(".")[0]) for name in models
        )
        for way in target.measure.ways:
            rule = load_rule(way.rule)
            assert way.over in rule.averages[way.average], table.name
            assert {*row.values} - {*rule.alphas} <= {0.15}, table.name
        if row.categories:
            assert all(n_keypoints(name) for name in row.categories)


@pytest.mark.slow
def test_models_and_data_sets_take_the_options_of_every_row(quoted):
    """It imports every adapter that a row names."""
    for table, row in quoted.rows():
        if (target := repeatable(quoted, table, row)) is None:
            continue
        parts, measure = target.parts, target.measure
        check_model(parts.model, [*parts.options, *measure.model_options, *parts.needs])
        given = ["split", *measure.dataset_options]
        registry.callable_with("datasets", measure.dataset, ("root", "build"), given)
        rules = [load_rule(way.rule) for way in measure.ways]
        requests = score_requests(rules)
        assert all(
            any(
                (r.rule.name, r.metric, r.average) == (way.rule, measure.metric, way.average)
                and way.over in r.over
                for r in requests
            )
            for way in measure.ways
        ), target.name


def test_the_numbers_that_explain_soco_s_disagreement(quoted):
    intra, soft, sixty = (f"omniprobe.intra{end}" for end in ("", "-soft", "-60"))
    assert value(quoted, f"{intra}.dinov2-b14") == 67.86
    assert value(quoted, f"{sixty}.dinov2-b14") == 60.60
    assert value(quoted, f"{soft}.dinov2-b14") == 62.71
    assert value(quoted, "soco.soc.dinov2") == 60.4
    larger = {name: value(quoted, f"{name}.dinov2-l14") for name in (intra, soft, sixty)}
    assert larger[sixty] - larger[intra] == pytest.approx(0.05)
    assert larger[soft] - larger[intra] == pytest.approx(1.98)
    registers = [value(quoted, f"{name}.dinov2-b14-reg") for name in (soft, intra)]
    assert registers[0] - registers[1] == pytest.approx(2.29)
    pairs = [
        (n.value, value(quoted, f"omniprobe.intra.{other}"))
        for n in numbers(quoted)
        if n.table.name == "soco.soc"
        for table, row in quoted.rows()
        if table.name == "omniprobe.intra"
        and quoted.same_method.get(n.row.method, n.row.method) == row.method
        for other in [row.name]
    ]
    assert sum(abs(page - table) <= 0.0501 for page, table in pairs) == 8


def test_tables_of_60_patches_and_of_the_soft_argmax_name_their_own_images_and_rule(quoted):
    sixty = find_row(quoted, "omniprobe.cross-60.dinov2-b14")
    assert sixty.parts.options == {"padding": "corner-white", "image_px": 60 * 14}
    assert sixty.measure.dataset == "soco.cross"
    sixteen = find_row(quoted, "omniprobe.intra-60-cc.ibot-b16")
    assert sixteen.parts.options["image_px"] == 60 * 16
    assert sixteen.measure.metric == "pck_cc"
    dino = find_row(quoted, "omniprobe.intra.dino-b16").parts.options
    assert (dino["stride"], dino["facet"]) == (
        16,
        "token",
    )  # by default keys of overlapping patches
    [way] = find_row(quoted, "omniprobe.intra-soft.dune-s14").measure.ways
    assert load_rule(way.rule).decode.window == 7
    assert find_row(quoted, "omniprobe.intra.dune-s14").parts.options["normed"] is True


def test_the_average_of_a_tale_of_two_features_is_neither_mean(quoted):
    row = find_row(quoted, "sd-dino.spair.dinov2-b14").row
    assert sum(row.categories.values()) / 18 == pytest.approx(56.24, abs=0.01)
    assert row.values[0.1] == 55.6


def test_numbers_disagree_where_the_same_method_has_two(quoted):
    found = {(d.method, d.dataset, d.alpha): d for d in disagreeing.disagreements(quoted)}
    four = found["DINOv2-B/14", "SOCO, intra", 0.1]
    assert [n.value for n in four.numbers] == [67.86, 62.71, 60.6, 60.4]
    assert four.differ_in == ("image", "prediction")
    assert four.explanation
    two = found["SD+DINOv2-B/14", "SPair-71k", 0.1]
    assert [n.value for n in two.numbers] == [64.0, 64.0, 59.9]
    assert "average" in two.differ_in
    assert all(d.spread >= 0.1 - 1e-9 for d in found.values())


def test_every_explanation_is_of_numbers_that_disagree(quoted):
    found = {(d.method, d.dataset) for d in disagreeing.disagreements(quoted)}
    assert {(e.method, e.dataset) for e in quoted.explanations} <= found


def test_a_row_that_other_sources_contradict_is_known_before_it_is_measured(quoted):
    (note,) = known_disagreement(find_row(quoted, "omniprobe.intra.dinov2-b14"), quoted)
    assert "We read 67.86 as an error of that row" in note
    assert not known_disagreement(find_row(quoted, "omniprobe.intra.dinov2-l14"), quoted)


def test_the_page_is_made_from_the_file():
    path = ROOT / "docs" / "make_published_page.py"
    spec = importlib.util.spec_from_file_location("make_published_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.text(), f"run {path.name}"


def broken(change):
    content = json.loads(FILE.read_text(encoding="utf-8"))
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "at:"),
        ("[]", "is not a JSON object"),
        (broken(lambda c: c.update(schema_version=3)), "schema 3"),
        (broken(lambda c: c.update(schema_version=1)), "schema_version"),
        (broken(lambda c: c["tables"][0]["rows"][0].update(values={"0.1": 355})), "355"),
        (broken(lambda c: c["tables"][0]["rows"][0].update(why_not="")), "why_not"),
        (broken(lambda c: c["tables"].append(c["tables"][0])), "Two tables have the same name"),
        (broken(lambda c: c["models"].pop("dinov2-b14")), "names an unknown model"),
        (broken(lambda c: c["tables"][0].update(colour="red")), "colour"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text, message):
    path = tmp_path / "published.json"
    path.write_text(text)
    with pytest.raises(KapbenchError) as refused:
        published(path)
    assert str(path) in str(refused.value)
    assert message in str(refused.value)


def test_a_row_that_no_command_repeats_says_why(quoted):
    with pytest.raises(KapbenchError, match="kapbench has no adapter for this method"):
        find_row(quoted, "marco.spair.marco")
