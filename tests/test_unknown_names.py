"""A name that nothing is registered for is answered by what was meant."""

from pathlib import Path

import pytest

from kapbench import registry
from kapbench.errors import KapbenchError


@pytest.mark.parametrize(
    ("spec", "fix"),
    [
        ("dinov2", "Did you mean dinov2.vitb14, "),
        ("DINO", "Did you mean dino.vitb16, "),
        ("sphere.", "Did you mean sphere.NAME or sphere.sd_dino?"),
        ("lit0", "Did you mean lite0?"),
        ("nothing like it", "Choose one that `kapbench list models` shows"),
        ("mine", "Write mine.py:Colours"),
        ("mine.py", "Write mine.py:Colours"),
        ("mine:Colours", "Write mine.py:Colours"),
        ("mine.Colours", "Write mine.py:Colours"),
        ("mine.py.Colours", "Write mine.py:Colours"),
        ("maps", "Write features:maps or similarity:maps"),
    ],
)
def test_an_unknown_name_is_answered_by_what_was_meant(spec, fix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    Path("mine.py").write_text("class Colours:\n    def encode(self, pictures): ...\n")
    with pytest.raises(KapbenchError) as caught:
        registry.resolve("models", spec)
    assert caught.value.fix.startswith(fix)
