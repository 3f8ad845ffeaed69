"""Which rules a version of scoring changed."""

import pytest

from kapbench.scoring.rules import load_rule, rule_names
from kapbench.scoring.versions import SCORING_VERSION, last_change

CHANGED_IN_3 = {"kap-v1", "kap-neurips25-fixed", "pck-v1", "pck-dift", "geo-published-point"}


@pytest.mark.parametrize("name", rule_names())
def test_version_3_changed_these_rules_and_no_other(name):
    rule = load_rule(name)
    assert last_change(rule, 3) == (3 if name in CHANGED_IN_3 else 2)


@pytest.mark.parametrize("version", [1, 2, 4, SCORING_VERSION + 1])
def test_other_versions_changed_every_rule_or_might_have(version):
    assert {last_change(load_rule(name), version) for name in rule_names()} == {version}


def test_a_rule_of_ones_own_changes_with_the_rules_whose_choices_it_shares():
    rule = load_rule("kap-v1")
    in_frame = rule.geometry.model_copy(update={"frame_px": 840})
    assert last_change(rule.model_copy(update={"name": "mine"}), 3) == 3
    assert last_change(rule.model_copy(update={"name": "mine", "geometry": in_frame}), 3) == 2
