"""Files of GeoAware-SC's preprocess_map.py, by what its pck_train.py makes of them."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.models.converting.convert_features import Choices, convert_features
from kapbench.models.saved_maps_folder import Settings

from dots import Dots  # isort: skip

DATASET = Dots(n_images=1)
IMAGES = [view.image_id for view in DATASET.views()]
LETTERBOX = Settings(grid="letterbox", side=840)


@pytest.fixture
def lab(tmp_path):
    """The layout with 4 + 6 + 6 + 5 channels on 8×8 cells."""
    drawn = torch.Generator().manual_seed(0)
    for image_id in IMAGES:
        path = tmp_path / "lab/features" / image_id
        path.parent.mkdir(parents=True, exist_ok=True)
        sizes = {"s5": (6, 2), "s4": (6, 4), "s3": (4, 8)}
        layers = {k: torch.randn(1, c, n, n, generator=drawn) for k, (c, n) in sizes.items()}
        torch.save(layers, f"{path}_sd.pt")
        torch.save(torch.randn(1, 5, 8, 8, generator=drawn), f"{path}_dino.pt")
        torch.save(torch.zeros(1, 5, 8, 8), f"{path}_dino_flip.pt")
        torch.save(layers, f"{path}_sd_flip.pt")
    return tmp_path / "lab"


def converted(lab, out, part):
    convert_features(lab, out, DATASET, Choices(LETTERBOX, sd_dino=part))
    pictures = [DATASET.views()[0]]
    [view] = pictures
    from kapbench.types import Picture

    return load_model(f"features:{out}").encode([Picture(DATASET.pixels(view), view.image_id)])[0]


def published(lab):
    """SD's 4 + 6 + 6 channels and DINO's on one grid, joined in pck_train.py's order."""
    layers = torch.load(lab / f"features/{IMAGES[0]}_sd.pt", weights_only=True)
    dino = torch.load(lab / f"features/{IMAGES[0]}_dino.pt", weights_only=True)
    large = [functional.interpolate(layers[k], size=(8, 8), mode="bilinear") for k in ("s4", "s5")]
    return torch.cat([layers["s3"], *large], dim=1)[0], dino[0]


def test_both_parts_count_alike(lab, tmp_path):
    """Cosines of the joined map are the mean of SD's and DINO's, as with DUMMY_NET."""
    feature_map = converted(lab, tmp_path / "maps", "both")
    values = torch.from_numpy(feature_map.values).flatten(1)
    cosines = functional.normalize(values, dim=0).T @ functional.normalize(values, dim=0)
    parts = [functional.normalize(part.flatten(1), dim=0) for part in published(lab)]
    torch.testing.assert_close(cosines, sum(p.T @ p for p in parts) / 2)
    assert feature_map.grid.box == (0, 0, 64, 64)


def test_single_parts_are_as_stored(lab, tmp_path):
    for part, expected in zip(("sd", "dino"), published(lab), strict=True):
        values = converted(lab, tmp_path / part, part).values
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_files_of_one_part_are_not_both(lab, tmp_path):
    (lab / f"features/{IMAGES[1]}_sd.pt").unlink()
    with pytest.raises(KapbenchError, match="missing of 1 image") as caught:
        converted(lab, tmp_path / "maps", "both")
    assert "--part dino" in caught.value.fix
    converted(lab, tmp_path / "maps", "dino")


def test_the_layout_is_stated_and_not_guessed(lab, tmp_path):
    with pytest.raises(KapbenchError, match="2 of 2 images have no features") as caught:
        convert_features(lab, tmp_path / "maps", DATASET, Choices(LETTERBOX))
    assert "--layout sd-dino" in caught.value.fix
