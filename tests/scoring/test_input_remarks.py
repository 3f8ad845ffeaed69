"""What is said beside a score of a model that was shown other images than a rule's published ones."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from kapbench.scoring.input_remarks import remarks_on_inputs
from kapbench.scoring.rules import load_rule

OMNIPROBE, SOCO, PROBE3D, CHM, PLAIN = map(
    load_rule, ("pck-omniprobe", "pck-omniprobe-soco", "pck-probe3d", "pck-chm", "pck-v1")
)


@dataclass
class Shown:
    name: str = "lite0"
    kind: str = "encoder"
    options: dict[str, Any] = field(default_factory=dict)
    over: tuple[str, ...] = ()


def corner(image_px: int) -> Shown:
    return Shown(options={"padding": "corner-white", "image_px": image_px})


@pytest.mark.parametrize(
    ("rule", "model"),
    [
        (OMNIPROBE, corner(798)),
        (OMNIPROBE, corner(800)),
        (PROBE3D, corner(800)),
        (CHM, Shown(options={"padding": "stretch", "image_px": 240})),
        (PLAIN, Shown()),
        (OMNIPROBE, Shown(kind="oracle")),
    ],
)
def test_nothing_is_said_where_the_images_are_the_published_ones(rule, model):
    assert remarks_on_inputs([rule], model) == ()


@pytest.mark.parametrize(
    ("rule", "model", "own"),
    [
        (OMNIPROBE, corner(840), "declares image_px=840 and padding=corner-white"),
        (PROBE3D, corner(798), "declares image_px=798 and padding=corner-white"),
        (OMNIPROBE, Shown(options={"image_px": 798}), "declares image_px=798 and is scored"),
        (CHM, Shown(), "; lite0 has no such options and is scored on its own images"),
    ],
)
def test_other_images_are_named(rule, model, own):
    [remark] = remarks_on_inputs([rule, PLAIN], model)
    assert f"The published numbers of {rule.name} are of images" in remark
    assert f"padding={rule.input.padding}" in remark
    assert own in remark


def test_rules_of_the_same_images_share_a_sentence():
    [remark] = remarks_on_inputs([OMNIPROBE, SOCO], corner(840))
    assert "numbers of pck-omniprobe and pck-omniprobe-soco are" in remark


def test_maps_without_features_are_said_to_be_read_as_they_are():
    [remark] = remarks_on_inputs([OMNIPROBE, CHM], Shown(kind="pair"))
    assert "interpolated at the keypoint by pck-omniprobe, but" in remark
