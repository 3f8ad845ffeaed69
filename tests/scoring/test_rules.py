"""Named rules: what ships, what identifies them, and rule files of the user's."""

import json
from pathlib import Path

import pytest
from scoring_cases import pair, peaks, records

from kapbench.errors import KapbenchError
from kapbench.scoring.rules import KapRule, load_rule, rule_names
from kapbench.scoring.schema import Needs
from kapbench.scoring.score_table import estimator
from kapbench.scoring.splits import select

# A published rule's name never changes meaning. If this fails, give the changed rule a new name.
FROZEN = {
    "geo": "65ea70208a62",
    "geo-published-point": "ffef1e397035",
    "kap-cvpr24": "2e71d89213d6",
    "kap-neurips25": "71f4c001ab3f",
    "kap-neurips25-fixed": "ed99451119c3",
    "kap-v1": "4977b1a7447b",
    "pck-dift": "4f6a57281093",
    "pck-geoaware": "a549fafab024",
    "pck-geoaware-soft": "e62251eade61",
    "pck-sd-dino": "9e543127e5d0",
    "pck-sd-dino-dinov1": "1854593ea955",
    "pck-v1": "34efca8315e2",
    "pck-chm": "34ceac10c33c",
    "pck-omniprobe": "0a40af4052d4",
    "pck-omniprobe-ap10k": "5c8d9ae9ba31",
    "pck-omniprobe-soco": "ef9cf0763eab",
    "pck-probe3d": "3054c84ff962",
}


def as_file(tmp_path, name: str, /, **changes):
    content = load_rule(name).model_dump(mode="json") | changes
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    return path


def test_every_rule_of_the_documents_ships():
    assert set(rule_names()) == {
        "kap-cvpr24",
        "kap-neurips25",
        "kap-neurips25-fixed",
        "kap-v1",
        "pck-sd-dino",
        "pck-sd-dino-dinov1",
        "pck-geoaware",
        "pck-geoaware-soft",
        "pck-dift",
        "pck-v1",
        "pck-chm",
        "pck-omniprobe",
        "pck-omniprobe-ap10k",
        "pck-omniprobe-soco",
        "pck-probe3d",
        "geo",
        "geo-published-point",
    }


@pytest.mark.parametrize("name", rule_names())
def test_a_shipped_rule_says_its_own_name_source_and_alphas(name):
    rule = load_rule(name)
    alphas = (0.1, 0.05, 0.15 if name == "pck-chm" else 0.01)
    assert (rule.name, rule.alphas) == (name, alphas)
    assert rule.source
    assert rule.headline[1] in rule.averages[rule.headline[0]]


@pytest.mark.parametrize("name", rule_names())
def test_a_shipped_rules_choices_are_frozen(name):
    assert load_rule(name).hash == FROZEN[name]


def test_a_rule_without_later_choices_is_written_as_before():
    assert [*load_rule("pck-v1").model_dump()["decode"]] == [
        "key",
        "offset",
        "frame_px",
        "window",
        "temperature",
    ]


def test_the_images_of_published_runs_are_no_choice():
    rule = load_rule("pck-omniprobe")
    assert rule.input is not None
    assert rule.model_copy(update={"input": None}).hash == rule.hash


def test_words_are_no_choice_and_choices_are(tmp_path):
    rule = load_rule("kap-cvpr24")
    assert load_rule(str(as_file(tmp_path, "kap-cvpr24", summary="x", notes=[]))).hash == rule.hash
    assert rule.model_copy(update={"empty": "zero"}).hash != rule.hash
    assert len({load_rule(n).hash for n in rule_names()}) == len(rule_names())


def test_a_files_rule_may_not_pass_for_a_shipped_one(tmp_path):
    with pytest.raises(KapbenchError, match="'kap-v1' belongs to a rule of kapbench") as caught:
        load_rule(str(as_file(tmp_path, "kap-v1", empty="zero")))
    assert str(tmp_path / "mine.json") in str(caught.value)
    assert "another name" in caught.value.fix
    renamed = load_rule(str(as_file(tmp_path, "kap-v1", name="mine", empty="zero")))
    assert (renamed.name, renamed.empty) == ("mine", "zero")


def test_an_edited_file_is_read_again(tmp_path):
    path = str(as_file(tmp_path, "kap-v1", name="mine"))
    assert load_rule(path).alphas == (0.1, 0.05, 0.01)
    as_file(tmp_path, "kap-v1", name="mine", alphas=[0.2])
    assert load_rule(path).alphas == (0.2,)


GEOMETRY = load_rule("kap-cvpr24").model_dump(mode="json")["geometry"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"alphas": []}, "alphas"),
        ({"alphas": [0.1, 0]}, "alphas"),
        ({"alphas": [-0.1]}, "alphas"),
        ({"alphas": [0.1, 0.1]}, "The same alpha is listed twice"),
        ({"headline": ["pair", "mean"]}, "headline (pair, mean) is not among the averages"),
        ({"headline": ["category", "pooled"]}, "headline (category, pooled) is not among"),
        ({"averages": {}}, "not among the averages"),
        ({"geometry": GEOMETRY | {"frame_px": 0}}, "frame_px"),
        ({"geometry": GEOMETRY | {"frame_px": -840}}, "frame_px"),
        ({"geometry": GEOMETRY | {"key": "a@b"}}, "key"),
        ({"name": ""}, "name"),
        ({"name": "../../mine"}, "name"),
    ],
    ids=str,
)
def test_choices_that_make_no_sense_are_refused(tmp_path, changes, said):
    with pytest.raises(KapbenchError, match="not a valid rule") as caught:
        load_rule(str(as_file(tmp_path, "kap-cvpr24", **({"name": "mine"} | changes))))
    assert said in str(caught.value)


DECODE = load_rule("pck-geoaware-soft").model_dump(mode="json")["decode"]


@pytest.mark.parametrize("change", [{"frame_px": 0}, {"window": 0}, {"temperature": 0.0}], ids=str)
def test_decodes_that_make_no_sense_are_refused(tmp_path, change):
    with pytest.raises(KapbenchError, match="not a valid rule") as caught:
        load_rule(str(as_file(tmp_path, "pck-v1", name="mine", decode=DECODE | change)))
    assert next(iter(change)) in str(caught.value)


def test_an_unknown_rule_suggests_the_nearest():
    with pytest.raises(KapbenchError, match="Unknown rule 'kap-cvpr42'") as caught:
        load_rule("kap-cvpr42")
    assert "kap-cvpr24" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a valid rule"),
        ('{"metric": "kip"}', "not a valid rule"),
        ('{"metric": "kap", "name": "x"}', "not a valid rule"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_a_file_that_is_no_rule_is_named(tmp_path, content, said):
    path = tmp_path / "bad.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KapbenchError, match=said) as caught:
        load_rule(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_rule_file_is_named(tmp_path):
    with pytest.raises(KapbenchError, match="does not exist"):
        load_rule(str(tmp_path / "none.json"))


def test_an_unknown_key_is_refused(tmp_path):
    with pytest.raises(KapbenchError, match="not a valid rule") as caught:
        load_rule(str(as_file(tmp_path, "kap-v1", treshold=3)))
    assert "Key 'treshold' is unknown" in caught.value.thing


def test_a_misspelt_key_is_named_with_the_key_that_is_missing(tmp_path):
    content = load_rule("kap-v1").model_dump(mode="json")
    content["alpha"] = content.pop("alphas")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(KapbenchError) as caught:
        load_rule(str(path))
    said = "The file is not a valid rule. Key 'alpha' is unknown. Key 'alphas' is missing"
    assert caught.value.thing == said
    assert Path(caught.value.fix.split("; ")[1].removesuffix(" is an example")).is_file()


def test_a_word_is_not_taken_for_true_or_false(tmp_path):
    with pytest.raises(KapbenchError, match=r"Key 'geometry\.closed'"):
        load_rule(
            str(as_file(tmp_path, "kap-v1", name="mine", geometry=GEOMETRY | {"closed": "no"}))
        )


def test_broken_json_names_no_key(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{")
    with pytest.raises(KapbenchError) as caught:
        load_rule(str(path))
    assert caught.value.thing.startswith("The file is not JSON: ")
    assert caught.value.place == f"{path}, line 1, column 2"
    assert caught.value.fix == "Correct the file"


def test_a_percentage_is_no_alpha(tmp_path):
    with pytest.raises(KapbenchError, match="The alpha 10 is above 1") as caught:
        load_rule(str(as_file(tmp_path, "kap-v1", name="mine", alphas=[0.1, 10])))
    assert caught.value.fix == "Write 0.1"
    assert "key alphas" in str(caught.value.place)


def test_one_key_for_two_geometries_is_refused():
    rule = load_rule("kap-cvpr24")
    assert isinstance(rule, KapRule)
    closed = rule.geometry.model_copy(update={"closed": True})
    other = rule.model_copy(update={"name": "mine", "geometry": closed})
    with pytest.raises(KapbenchError, match="cvpr24"):
        Needs.of([rule, other])


def test_one_key_for_two_decodes_is_refused():
    rule = load_rule("pck-v1")
    moved = rule.decode.model_copy(update={"offset": "floor-half-cell", "frame_px": 840})
    with pytest.raises(KapbenchError, match="v1"):
        Needs.of([rule, rule.model_copy(update={"decode": moved})])


def test_alphas_that_round_alike_are_kept_apart():
    rule = load_rule("kap-cvpr24").model_copy(update={"alphas": (0.3, 0.304)})
    # T = 980: radii 294 and 297.9. Diagonal neighbours of cell 6 lie at 297.0 px: cell 11 is inside
    # the larger circle only.
    case = (pair([(5, 5)], [(420, 210)], size_px=980), peaks({6: 1, 11: 4}))
    rows = records([case], [rule])
    found = [estimator(rows, rule, a, "category").by_category() for a in rule.alphas]
    assert [float(by.values[0]) for by in found] == [0.5, 1.0]


def test_an_unknown_split_suggests_the_nearest():
    rows = records([(pair([(1, 1)], [(1, 1)]), peaks({1: 1}))], [])
    with pytest.raises(KapbenchError, match="Unknown split 'symetric'") as caught:
        select(rows, "symetric")
    assert "symmetric" in caught.value.fix
