"""A run's diagnosis: sums, groups, old records, the sentence, and differences of two runs."""

import numpy as np
import pytest
from diagnosed import RULES, card, diagnosed, table, without_new_columns
from scoring_cases import SIDE, pair, peaks, records

from kapbench.errors import KapbenchError
from kapbench.running.diagnosis.diagnose_run import diagnose_run
from kapbench.running.diagnosis.paired import change_sentence, changes
from kapbench.running.result_set import ResultSet
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.metrics import kap
from kapbench.scoring.rules import load_rule
from kapbench.scoring.splits import select

PCK_ONLY = ("pck-sd-dino",)


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def diagnosis(rows):
    return diagnosed(rows)


def test_a_pair_by_hand():
    """Two keypoints: one matched to its counterpart, one absent whose counterpart is visible."""
    source = [(100.0, 100.0), (700.0, 100.0)]
    twins = [1, 0]
    both = pair(source, [(100.0, 100.0), (700.0, 100.0)], twins=twins, name="a", size_px=SIDE)
    one = pair(source, [(100.0, 100.0), None], twins=twins, name="b", size_px=SIDE)
    left, right = 0, 3  # cells of the two keypoints
    cases = [
        (both, peaks({left: 1.0}, {left: 0.9, right: 0.2})),
        (one, peaks({left: 0.8}, {left: 0.7})),
    ]
    made = diagnosed(records(cases, [load_rule(name) for name in RULES]))
    losses = made.losses.set_index("type")
    assert losses["n"].to_dict() == {
        **dict.fromkeys(TYPES, 0),
        "second peak": 2,
        "mirror counterpart": 1,
        "absent, counterpart visible": 1,
    }
    assert losses["keypoints"]["mirror counterpart"] == pytest.approx(0.25)
    # By rank: 1.0 right, 0.9 wrong, 0.8 (right, rescaled to 1.0 by its pair) ..., see the rule.
    assert losses["loss"].sum() == pytest.approx(1 - made.overall.kap)
    assert losses["loss"]["second peak"] == pytest.approx(0, abs=1e-9)
    assert losses["loss"]["mirror counterpart"] > 0
    assert losses["loss"]["absent, counterpart visible"] > 0
    places = made.places.set_index("place")["share"]
    assert places["correct"] == pytest.approx(2 / 3)
    assert places["mirror counterpart"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("by", [None, "category", "keypoint", "split"])
def test_the_losses_of_each_group_add_up_to_what_its_kap_lacks(rows, by):
    made = diagnosed(rows, by=by)
    keys = ["split", "category", *(["keypoint"] if by == "keypoint" else [])]
    sums = made.losses.groupby(keys, sort=False)["loss"].sum()
    for group in made.groups():
        key = (group.split, group.category, *([group.keypoint] if by == "keypoint" else []))
        if not np.isnan(group.kap):
            assert sums[key] == pytest.approx(1 - group.kap)
    shares = made.losses.groupby(keys, sort=False)["keypoints"].sum()
    assert shares.dropna().to_numpy() == pytest.approx(1)
    if by != "keypoint":
        assert made.places.groupby(["split", "category"])["share"].sum().to_numpy() == (
            pytest.approx(1)
        )


def test_each_split_and_category_has_the_score_of_its_rows(rows):
    rule = load_rule("kap-cvpr24")
    by_split = diagnosed(rows, by="split")
    for group in by_split.groups():
        by = kap(rows, rule, 0.1, "category", select(rows, group.split)).by_category()
        assert group.kap == pytest.approx(by.over_categories("mean"), nan_ok=True)
    *each, mean = diagnosed(rows, by="category").groups()
    values = kap(rows, rule, 0.1, "category").by_category().values
    assert [g.kap for g in each] == pytest.approx(values)
    assert mean.kap == pytest.approx(values.mean())


def test_the_skills_are_the_scores_of_the_run(rows, diagnosis):
    skills = diagnosis.skills.set_index("key")["value"]
    scores = card(rows)
    for metric, split, key in (
        ("kap", "all", "kap"),
        ("kap_skill", "all", "kap_skill"),
        ("absence_auroc", "all", "absence_auroc"),
        ("absence_auroc", "absent_with_twin", "absence_auroc.absent_with_twin"),
    ):
        row = scores.score("kap-cvpr24", metric, 0.1, "mean", average="category", split=split)
        assert skills[key] == pytest.approx(row.value)
    row = scores.headline(load_rule("pck-sd-dino"), 0.1)
    assert skills["pck"] == pytest.approx(row.value)
    correct = diagnosis.places.set_index("place")["share"]["correct"]
    assert correct == pytest.approx(row.value)


def test_intervals_hold_their_values(diagnosis):
    losses, places = diagnosis.losses, diagnosis.places
    for name in ("gain", "loss"):
        assert (losses[f"{name}_low"] <= losses[name] + 1e-9).all()
        assert (losses[name] <= losses[f"{name}_high"] + 1e-9).all()
    assert (places["low"] < places["high"]).all()


def test_old_records_merge_types_and_say_which(rows, diagnosis):
    old = diagnosed(without_new_columns(rows))
    names = [column.name for column in old.of_split["all"].missing]
    assert names == ["group_error_px", "other_error_px", "on_object"]
    assert set(TYPES) - set(old.losses["type"]) == {"repeated part", "other keypoint"}
    assert old.losses["loss"].sum() == pytest.approx(1 - old.overall.kap)
    assert old.overall.kap == diagnosis.overall.kap
    assert old.object_from == {}
    with pytest.raises(KapbenchError, match="differ in their columns of records"):
        old.minus(diagnosis)


def test_without_kap_there_are_places_alone(rows):
    made = diagnosed(rows, rules=PCK_ONLY)
    assert made.kap is None
    assert made.losses.empty
    assert made.places["share"].sum() == pytest.approx(1)
    assert made.skills["key"].tolist() == ["pck"]
    assert "by pck-sd-dino" in made.sentence


def test_the_sentence_names_one_type_only_where_it_is_significantly_larger(diagnosis):
    ordered = diagnosis.losses.sort_values("loss", ascending=False)
    first, second = ordered["type"][:2]
    gap = (diagnosis.overall.loss("share", first) - diagnosis.overall.loss("share", second)).mean()
    assert (" and to " in diagnosis.sentence) == (gap.p >= 0.05)
    assert f"of {100 * (1 - diagnosis.overall.kap):.1f} points" in diagnosis.sentence


def test_a_score_at_chance_is_said_first(rows):
    """Maps that are drawn at random tell nothing apart."""
    made = diagnosed(rows)
    skill = made.measures["kap_skill"].mean()
    assert skill.low < 0
    where = "below" if skill.high < 0 else "not significantly above"
    assert made.sentence.startswith(f"KAP is {where} what scores that all tie get: skill ")


def test_nothing_is_lost_by_the_scores_of_the_answer(rows):
    perfect = rows.copy()
    visible = perfect["target_visible"].to_numpy(bool)
    for name in rows:
        stem = name.partition("@")[0]
        if stem == "inside":
            perfect[name] = np.where(visible, 1, np.nan).astype(np.float32)
        elif stem == "best":
            perfect[name] = visible.astype(np.float32)
        elif stem == "outside":
            perfect[name] = np.float32(0)
        elif stem in ("map_min", "map_max"):
            perfect[name] = np.float32(stem == "map_max")
    assert diagnosed(perfect).sentence == "Nothing is lost: KAP@0.10 100.0 by kap-cvpr24."


def test_differences_are_paired_and_corrected(rows):
    first, second = diagnosed(rows), diagnosed(table(scores_seed=5), "other")
    frame = second.minus(first)
    losses = frame[frame["kind"] == "loss"].set_index("name")
    one, two = (d.losses.set_index("type")["loss"] for d in (first, second))
    assert losses["difference"].to_numpy() == pytest.approx((two - one)[losses.index].to_numpy())
    kap_row = frame[frame["name"] == "kap"].iloc[0]
    assert losses["difference"].sum() == pytest.approx(-kap_row["difference"])
    known = losses.dropna()
    assert (known["p_holm"] >= known["p"] - 1e-12).all()
    tested = frame.dropna(subset=["low"])
    assert {"gain", "loss", "place", "skill"} == set(tested["kind"])
    assert (tested["low"] <= tested["high"]).all()
    back = first.minus(second)
    assert back["difference"].to_numpy() == pytest.approx(-frame["difference"].to_numpy())


def test_a_run_does_not_differ_from_itself(diagnosis):
    frame = diagnosis.minus(diagnosis)
    assert (frame["difference"] == 0).all()
    assert frame["p"].isna().all()  # equal at every resample: no test
    text = change_sentence(("a", "b"), changes(diagnosis, diagnosis))
    assert text == "b loses as much as a to every type of error."


def test_the_sentence_on_two_runs_names_significant_changes_alone(rows):
    first, second = diagnosed(rows), diagnosed(table(scores_seed=5), "other")
    every = [c for c in changes(first, second) if c.kind == "loss"]
    text = change_sentence(("lite0", "other"), every)
    for change in every:
        shown = f"{100 * change.value:.1f} points instead of {100 * change.baseline:.1f}"
        assert (shown in text) == (change.p < 0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": "q"}, "differ in their pairs"),
        ({"by": "category"}, "differ in their division"),
        ({"alpha": 0.05}, "differ in their alpha"),
        ({"chosen": ("kap-v1",)}, "differ in their rules"),
    ],
)
def test_runs_that_differ_are_refused(rows, diagnosis, options, message):
    with pytest.raises(KapbenchError, match=message):
        diagnosed(rows, **options).minus(diagnosis)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chosen": ("kap-v1", "kap-cvpr24")}, "Two rules for KAP are named"),
        ({"chosen": ("kap-v2",)}, "Did you mean kap-v1"),
        ({"alpha": 0.07}, "have no alpha 0.07"),
        ({"rules": ("kap-cvpr24",)}, "by no rule for PCK"),
    ],
)
def test_rules_and_alphas_that_the_run_lacks_are_named(rows, options, message):
    with pytest.raises(KapbenchError, match=message):
        diagnosed(rows, **options)


def test_a_result_set_diagnoses_its_records(rows, diagnosis):
    result = ResultSet(card(rows), None, _records=rows)
    assert result.diagnose().losses.equals(diagnosis.losses)
    made = result.diagnose("kap-v1", alpha=0.05, by="category")
    assert (made.kap.name, made.pck.name, made.alpha) == ("kap-v1", "pck-sd-dino", 0.05)
    assert set(made.losses["category"]) == {"cat", "dog", "mean"}


def test_too_few_images_leave_the_largest_loss_open():
    rows = records(
        [
            (pair([(100.0, 100.0)], [(100.0, 100.0)], images=("s", "t")), peaks({9: 1.0})),
            (pair([(100.0, 100.0)], [None], name="b", images=("s", "u")), peaks({0: 0.5})),
        ],
        [load_rule(name) for name in RULES],
    )
    made = diagnose_run(card(rows), rows)
    why = "a category has fewer than 4 images"
    assert f"which is larger is not tested, since {why} (KAP" in made.sentence
    changed = rows.assign(**{"outside@cvpr24@0.10": rows["outside@cvpr24@0.10"] / 2 + 1})
    every = changes(made, diagnosed(changed, "b"))
    assert {c.no_interval for c in every if c.kind == "loss"} == {why}
    assert change_sentence(("a", "b"), every) == (
        f"Where b loses more or less than a is not tested, since {why}."
    )
    assert made.losses["loss_low"].isna().all()


def test_an_unknown_division_is_refused(rows):
    with pytest.raises(KapbenchError, match=r"(?s)'categories'.*Did you mean category"):
        ResultSet(card(rows), None, _records=rows).diagnose(by="categories")


@pytest.mark.parametrize("rules", [RULES, PCK_ONLY])
def test_at_a_prompt_a_diagnosis_is_a_few_lines(rows, rules):
    made = diagnosed(rows, "a<b>\x1b", rules=rules)
    text, markup = repr(made), made._repr_html_()
    names = made.types if made.kap else made.place_names
    assert len(text.splitlines()) == len(names) + 4
    for whole in (text, markup):
        assert all(name in whole for name in names)
        assert "\x1b" not in whole
    assert made.sentence in text
    assert "<b>" not in markup
    shown = made.losses["loss"] if made.kap else made.places["share"]
    assert f"{100 * shown.iloc[0]:5.1f}  {names[0]}" in text
