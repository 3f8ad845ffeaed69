"""docs/cards.md: a card with every field for every model; its figures, in docs/baselines.md."""

import json
import re
from pathlib import Path

import pytest

from kapbench.registry import names
from kapbench_baselines.aggregation_head.diy_sc import CHECKPOINTS
from kapbench_baselines.lite0.encoder import SHA256
from kapbench_baselines.vit.dinov3 import SIZES
from kapbench_leaderboard.comparison.controls import NAMES

ROOT = Path(__file__).parents[2]
FIELDS = ("paper", "licence", "weights", "supervision", "looks at", "deviations", "measured here")
ROW = r"^\| ([a-z0-9.]+) \| ([0-9.]+) [^|]*\| ([0-9.]+) "
# Of one family, with a card each.
METHODS = ("geoaware.zeroshot", "geoaware.supervised", "sd_dino.sd", "sd_dino.stack")


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


# The card's name by the entry's.
MEASURED = {
    "lite0": "lite0",
    "sphere.lite0": "sphere",
    "asic.lite0": "asic",
    "dve.lite0": "dve",
    "sift": "sift",
    "geoaware.zeroshot.lite0": "geoaware.zeroshot",
    "geoaware.supervised.lite0": "geoaware.supervised",
    "random": "random",
    "constant": "constant",
    "pixels": "pixels",
    "oracle": "oracle",
    "side-blind": "side-blind",
    "part-blind": "part-blind",
    "twin-trap": "twin-trap",
    "never-silent": "never-silent",
}
PLACES = {"spair": ("SPair", "SPair-71k's test split"), "synthetic": ("synthetic", "`synthetic` (")}
every = pytest.mark.parametrize(("dataset", "entry"), [(d, e) for d in PLACES for e in MEASURED])


def measured(dataset, entry):
    """KAP@0.10 and PCK@0.10 of an accepted entry, as shown."""
    [path] = (ROOT / "leaderboard" / "results" / dataset / entry).glob("*.json")
    rows = json.loads(path.read_text(encoding="utf-8"))["run"]["scores"]
    wanted = (("kap-cvpr24", "kap", "category"), ("pck-sd-dino", "pck", "point"))
    found = [
        next(
            100 * r["value"]
            for r in rows
            if (r["rule"], r["metric"], r["average"]) == keys
            and (r["alpha"], r["split"], r["category"]) == (0.10, "all", "mean")
        )
        for keys in wanted
    ]
    return [f"{value:.1f}" for value in found]


def baselines():
    return (ROOT / "docs" / "baselines.md").read_text(encoding="utf-8")


def board(dataset):
    """Rows of the board as `kapbench compare` prints it, by name; long names go on below."""
    text = baselines().partition(PLACES[dataset][1])[2].split("```")[1]
    rows = []
    for line in text.partition("model  ")[2].splitlines()[1:]:
        name, *figures = line.split()
        if figures:
            rows.append([name, figures])
        else:
            rows[-1][0] += name
    return dict(rows)


@every
def test_figures_are_the_entries(dataset, entry):
    kap, _, pck = board(dataset)[entry][:3]
    assert [kap, pck] == measured(dataset, entry)


@every
def test_figures_with_intervals_are_the_entries(dataset, entry):
    head = {"spair": "\nSPair, five categories:", "synthetic": "\n`synthetic`:"}[dataset]
    table = baselines().partition(head)[2].partition("\n\n|")[2].partition("\n\n")[0]
    rows = {cells[0]: cells[1:] for cells in re.findall(ROW, table, re.MULTILINE)}
    assert set(rows) == set(MEASURED) - set(NAMES)
    if entry not in NAMES:
        assert rows[entry] == tuple(measured(dataset, entry))


@every
def test_a_card_says_where_figures_are(dataset, entry):
    said = cards()[MEASURED[entry]]["measured here"]
    assert PLACES[dataset][0] in said
    assert "[figures](baselines.md)" in said


def test_hashes_and_figures_stand_in_one_place():
    text = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    assert not re.search(r"\d\.\d / \d+\.\d", text)
    assert not any(digits in baselines() for _, digits in CHECKPOINTS.values())
