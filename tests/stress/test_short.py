"""The first cases of every kind of the campaign; `make stress` runs all of them."""

import itertools

import pytest
from campaign.case import Case
from campaign.kinds import KINDS
from campaign.run import run_case

SHORT = [
    pytest.param(case, id=f"{kind.NAME}: {case.name}")
    for kind in KINDS
    for case in itertools.islice(kind.cases(0), kind.SHORT)
]


@pytest.mark.slow
@pytest.mark.parametrize("case", SHORT)
def test_holds(case: Case):
    assert run_case(case) == []
