"""What a submission may write in any text, and what run and card must say alike."""

import pytest
from submissions import edit, only

from kapbench_leaderboard.submit.check import check


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("model", {"trained_on": "<script>"}, "trained_on: '<script>' is not a line"),
        ("model", {"trained_on": "a\nb"}, "has characters that are not shown, or steer a terminal"),
        ("model", {"supervision": "<b>"}, "supervision: '<b>' is not a line"),
        ("model", {"conditions_on": ["<b>"]}, "conditions_on.0: '<b>' is not a line"),
        ("model", {"options": {"<b>": 1}}, "a key of model.options: '<b>' is not a line"),
        (
            "model",
            {"options": {"a": [float("inf")]}},
            "not a leaderboard entry: Infinity is not a finite number",
        ),
        ("dataset", {"licence": "<b>"}, "licence: '<b>' is not a line"),
        ("provenance", {"kapbench": "<b>"}, "kapbench: '<b>' is not a line"),
        ("provenance", {"platform": "x" * 300}, "is not a line of at most 200 characters"),
        ("provenance", {"packages": {"torch": "<b>"}}, "packages.torch: '<b>' is not a line"),
        ("provenance", {"seconds": -1}, "Key 'run.provenance.seconds': The value -1 is not valid"),
        ("provenance", {"seed": -1}, "Key 'run.provenance.seed': The value -1 is not valid"),
    ],
)
def test_what_no_text_and_no_number_of_a_run_can_be(entry, part, change, said):
    edit(entry, lambda c: c["run"][part].update(change))
    only(check(entry), said)


def test_remarks_of_the_data_set_may_be_long_but_hold_no_markup(entry):
    edit(entry, lambda c: c["run"]["dataset"].update(remarks=["x" * 300]))
    assert not any("remarks" in line for line in check(entry))
    for remark in ("<script>", "a\nb", "x" * 1001):
        edit(entry, lambda c, remark=remark: c["run"]["dataset"].update(remarks=[remark]))
        only(check(entry), "dataset.remarks.0:")


def test_a_card_that_hides_what_the_model_was_trained_with(entry):
    edit(entry, lambda c: c["run"]["model"].update(supervision="viewpoint and masks"))
    only(
        check(entry),
        "The supervision of the submission card is none, but that of the run card is viewpoint and masks",
    )
    edit(entry, lambda c: c["card"].update(supervision=["masks", "viewpoint"]))
    assert not any("supervision" in line for line in check(entry))
    edit(entry, lambda c: c["run"]["model"].update(supervision="a little"))
    only(check(entry), "model.supervision: 'a little' names none of viewpoint, masks")
