"""Settings of presets are part of a training's identity: stored trainings must stay continuable.

Where one of these changes, unfinished trainings are refused, and CHANGELOG.md has to say so.
"""

from dataclasses import asdict

import pytest

from kapbench.storage import fingerprint
from kapbench_baselines.canonical.settings import ASIC, DVE
from kapbench_baselines.geoaware.settings import LITE0


@pytest.mark.parametrize(
    ("settings", "stored"),
    [(DVE, "6f314a2223747db4"), (ASIC, "3b687d589086b91d"), (LITE0, "5072ef41e6c36ad8")],
    ids=["dve", "asic", "geoaware.supervised"],
)
def test_presets_have_the_settings_of_stored_trainings(settings, stored):
    assert fingerprint(asdict(settings)) == stored
