"""docs/cards.md: every registered model has a card with every field, and its figures are the entries'."""

import json
import re
from pathlib import Path

import pytest

from kapbench.registry import names
from kapbench_baselines.aggregated import CHECKPOINTS
from kapbench_baselines.dinov3 import SIZES
from kapbench_baselines.lite0 import SHA256

ROOT = Path(__file__).parents[2]
FIELDS = (
    "paper", "licence", "weights", "supervision", "looks at", "deviations", "measured here",
)  # fmt: skip
METHODS = ("geoaware.zeroshot", "geoaware.supervised")  # of one family, apart


def cards():
    text = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
        head, _, body = part.partition("\n")
        fields = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", body, re.MULTILINE))
        found |= dict.fromkeys(head.split(", "), fields)
    return found


def family(name):
    whole = name.rstrip(".:")  # a prefix that a backbone's name follows
    return whole if whole in METHODS else re.split(r"[.:]", name)[0]


@pytest.mark.parametrize("name", names("models"))
def test_every_model_has_a_card_with_every_field(name):
    fields = cards()[family(name)]
    assert tuple(fields) == FIELDS
    assert all(value.strip() for value in fields.values())


def test_no_card_is_of_a_model_that_is_not_there():
    assert set(cards()) == {family(name) for name in names("models")}


def test_hashes_are_those_that_are_checked():
    found = cards()
    assert SHA256 in found["lite0"]["weights"]
    assert all(digits in found["diy_sc"]["weights"] for _, digits in CHECKPOINTS.values())
    assert all(digits in found["dinov3"]["weights"] for *_, digits in SIZES.values())


MEASURED = [
    (card, dataset, entry)
    for card, entry in (
        ("lite0", "lite0"), ("sphere", "sphere.lite0"), ("asic", "asic.lite0"),
        ("dve", "dve.lite0"), ("sift", "sift"), ("geoaware.zeroshot", "geoaware.zeroshot.lite0"),
        ("geoaware.supervised", "geoaware.supervised.lite0"),
    )
    for dataset in ("spair", "synthetic")
]  # fmt: skip


@pytest.mark.parametrize(("card", "dataset", "entry"), MEASURED)
def test_figures_are_the_entries(card, dataset, entry):
    [path] = (ROOT / "leaderboard" / "results" / dataset / entry).glob("*.json")
    rows = json.loads(path.read_text(encoding="utf-8"))["run"]["scores"]
    wanted = (("kap-cvpr24", "kap", "category"), ("pck-sd-dino", "pck", "point"))
    found = [
        next(
            100 * r["value"] for r in rows
            if (r["rule"], r["metric"], r["average"]) == keys
            and (r["alpha"], r["split"], r["category"]) == (0.10, "all", "mean")
        )
        for keys in wanted
    ]  # fmt: skip
    shown = {"spair": "SPair", "synthetic": "synthetic"}[dataset]
    assert f"{shown} {found[0]:.1f} / {found[1]:.1f}" in cards()[card]["measured here"]
