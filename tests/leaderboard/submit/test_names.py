"""Names that the check of a submission accepts."""

import pytest

from kapbench.datasets.proposal_flow import pf_pascal, pf_willow, willow_objectclass
from kapbench_leaderboard.submit.check_text import NAME


@pytest.mark.parametrize(
    "name",
    [
        *pf_willow.CLASSES,
        *pf_pascal.CLASSES,
        *willow_objectclass.CLASSES,
        "001.Black_footed_Albatross",
    ],
)
def test_categories_of_shipped_data_sets_are_names(name):
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["<b>", "a\nb", "(a)", "a|b", "a`b", 'a"b', "a[b](c)"])
def test_other_texts_are_not(name):
    assert not NAME.fullmatch(name)
