"""What can be asked of a reading, and how windows cover a square."""

from dataclasses import fields, replace

import numpy as np
import pytest

from kapbench.errors import KapbenchError
from kapbench_baselines.diffusion.encoder import windows
from kapbench_baselines.diffusion.read_settings import DIFT, SD_DINO, Reading


def test_presets_are_the_published_ones():
    # Tang et al. 2023, eval_spair.py's defaults; Zhang et al. 2023, pck_spair_pascal.py's.
    assert (DIFT.names, DIFT.timestep, DIFT.ensemble, DIFT.image_px) == (("up1",), 261, 8, 768)
    assert DIFT.prompt.format(category="cat") == "a photo of a cat"
    assert SD_DINO.names == ("up0.1", "up1.1", "up2.1")
    assert (SD_DINO.timestep, SD_DINO.image_px, SD_DINO.seed) == (100, 960, 42)


def test_every_field_changes_the_digest():
    other = {
        "blocks": "up2",
        "timestep": 1,
        "ensemble": 2,
        "prompt": "x",
        "seed": 1,
        "image_px": 512,
        "window": 256,
        "frame": "stretch",
        "latents": "sample",
        "freeu": True,
    }
    assert set(other) == {f.name for f in fields(Reading)}
    digests = {replace(SD_DINO, **{key: value}).digest for key, value in other.items()}
    assert len(digests | {SD_DINO.digest}) == len(other) + 1


def test_digests_of_stored_features_stay():
    found = (SD_DINO.digest, DIFT.digest, replace(SD_DINO, timestep=50, freeu=True).digest)
    assert found == ("f8410af2c348dbbd", "29b9f128afef850e", "785e447002452da4")


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ({"timestep": 1000}, "0 to 999"),
        ({"timestep": -1}, "timestep=-1"),
        ({"ensemble": 0}, "1 or"),
        ({"image_px": 100}, "multiple of 64"),
        ({"window": 100}, "multiple of 64"),
    ],
)
def test_what_cannot_be_is_refused(option, word):
    with pytest.raises(KapbenchError, match=word):
        SD_DINO.changed("sd.v15", option)


@pytest.mark.parametrize(("side", "window"), [(960, 512), (512, 512), (1024, 512), (128, 64)])
def test_windows_cover_the_square_and_stay_inside(side, window):
    seen = np.zeros((side, side), int)
    for top, left in windows(side, window):
        assert 0 <= top <= side - window
        assert 0 <= left <= side - window
        assert top % 64 == left % 64 == 0
        seen[top : top + window, left : left + window] += 1
    assert seen.min() == 1
    if side % window == 0:
        assert seen.max() == 1
