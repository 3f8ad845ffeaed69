"""A submission's model, run again on some pairs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from submissions import DOTS, dots, edit, edit_records

import kapbench
from kapbench import evaluation
from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench.progress import Progress
from kapbench.registry import callable_with
from kapbench.running.results import load_records, save_run
from kapbench.types import Keypoints
from kapbench_leaderboard.entries.schema import load_entry
from kapbench_leaderboard.figures.rerun_model import model_of
from kapbench_leaderboard.figures.sources import Sources
from kapbench_leaderboard.submit import model_again
from kapbench_leaderboard.submit import reproduce as reproducing
from kapbench_leaderboard.submit.model_again import spec
from kapbench_leaderboard.submit.prepare import prepare
from kapbench_leaderboard.submit.reports import reproduction_report
from kapbench_leaderboard.submit.reproduce import choose, differences, reproduce

RESULTS = Path(__file__).parents[3] / "leaderboard" / "results"


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    """The data set of the submissions under its name."""
    load = evaluation.load_dataset
    spec = f"{DOTS}:Dots"
    monkeypatch.setattr(
        reproducing, "load_dataset", lambda name, **given: load(spec, n_images=6, **given)
    )
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "cache"))


def again(entry, **options):
    return reproduce(entry, 12, model=f"{DOTS}:{options.pop('model', 'Colours')}", **options)


def test_an_honest_run_is_repeated_to_the_bit(entry):
    found = again(entry)
    assert found.agrees
    assert found.differences == {}
    assert found.tolerance == 0.0
    assert 12 <= found.n_pairs < 60
    assert found.n_rows > found.n_pairs


def test_the_report_alone_says_how_the_model_ran(entry):
    lines = []
    found = again(entry, isolated=True, progress=Progress(log=lines.append))
    text = reproduction_report(found).text
    assert text.count(found.how) == 1
    assert found.how not in lines
    assert "The scores were not checked: `kapbench submit check`" in text


def test_an_adapter_that_reads_the_answer_is_found_out(tmp_path, card):
    spec = f"{Path(__file__).parent / 'peeking.py'}:Peeking"
    made = kapbench.evaluate(
        spec, dots().Dots(n_images=6), rule="kap-cvpr24", runs=tmp_path / "runs"
    )
    assert made.headline("kap-cvpr24") == 1.0
    clean = made.card.provenance.model_copy(update={"git_dirty": False})
    save_run(made.folder, made.card.model_copy(update={"provenance": clean}))
    entry = prepare(made.folder, tmp_path / "results", card)
    isolated, in_process = (reproduce(entry, 12, model=spec, isolated=how) for how in (None, False))
    assert in_process.agrees
    assert "could read annotations" in in_process.how
    assert not isolated.agrees
    assert isolated.how.startswith("The model runs in a process of its own, without access to")
    assert isolated.how in reproduction_report(isolated).text


def test_an_entry_whose_data_set_is_code_is_refused(entry, tmp_path):
    edit(entry, lambda c: c["run"]["dataset"].update(name=f"{DOTS}:Dots"))
    with pytest.raises(KapbenchError, match="The run's data set is a file of code"):
        again(entry)


def test_records_that_the_model_does_not_make(entry, tmp_path):
    edit_records(entry, lambda rows: rows.assign(**{"best@cvpr24": rows["best@cvpr24"] + 0.01}))
    found = again(entry)
    assert not found.agrees
    assert found.differences["best@cvpr24"] == pytest.approx(0.01, rel=1e-3)
    assert again(entry, tolerance=0.02).agrees


class Chain(dots().Dots):
    """Pairs of neighbours; dot 1 is seen in the last image alone, which decides the groups."""

    def pairs(self, categories=None):
        groups = np.array([0, -1, 0, -1])
        near = [
            p for p in super().pairs(categories) if abs(number(p.source) - number(p.target)) == 1
        ]
        return [replace(pair, groups=groups) for pair in near]

    def _view(self, category, image):
        view = super()._view(category, image)
        visible = np.array([True, image == self.n_images - 1, True, True])
        xy = np.where(visible[:, None], np.nan_to_num(view.keypoints.xy, nan=30.0), np.nan)
        return replace(view, keypoints=Keypoints(xy, visible))


def number(view):
    return int(view.image_id.split("/")[1])


def test_groups_that_depend_on_all_pairs_are_compared_too(tmp_path, card, monkeypatch):
    made = kapbench.evaluate(
        dots().Colours(),
        Chain(n_images=6),
        rule=["pck-sd-dino", "geo-published-point"],
        runs=tmp_path / "runs",
        device="cpu",
    )
    clean = made.card.provenance.model_copy(update={"git_dirty": False})
    save_run(made.folder, made.card.model_copy(update={"provenance": clean}))
    entry = prepare(made.folder, tmp_path / "results", card)
    monkeypatch.setattr(reproducing, "load_dataset", lambda *_, **__: Chain(n_images=6))
    monkeypatch.setattr(reproducing, "choose", lambda pairs, *_: pairs[:2])
    assert again(entry).differences == {}
    column = "group_visible_renumbered"
    edit_records(entry, lambda rows: rows.assign(**{column: rows[column] + np.int16(1)}))
    assert again(entry).differences == {column: 1.0}


def test_a_model_of_another_revision_is_refused(entry):
    content = json.loads(entry.read_text())
    content["run"]["model"]["revision"] = "2"
    entry.write_text(json.dumps(content))
    with pytest.raises(
        KapbenchError, match=r"has revision 1-[0-9a-f]{8} here, but the run used revision 2"
    ):
        again(entry)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("sphere.lite0", {}, "sphere.lite0"),
        ("sphere.dinov2.vitb14", {"sphere_weight": 0.5}, "sphere.dinov2.vitb14"),
        ("geoaware.zeroshot.lite0", {"choice": "cosine-sum"}, "geoaware.zeroshot.lite0"),
        ("geoaware.zeroshot.mine", {"backbone": "my.py:Mine"}, "geoaware.zeroshot"),
        ("dve.lite0", {}, "dve"),
        ("lite0", {}, "lite0"),
    ],
)
def test_a_composed_name_leads_to_what_is_installed(entry, name, options, expected):
    edit(entry, lambda c: c["run"]["model"].update(name=name, options=options))
    assert spec(entry, load_entry(entry)) == expected


@pytest.mark.parametrize("path", sorted(RESULTS.glob("s*/*/*.json")), ids=lambda p: p.parent.name)
def test_accepted_models_are_found_again_with_their_options(path):
    entry = load_entry(path)
    model = entry.run.model
    found = spec(path, entry)
    assert callable_with("models", found, ("device", "dataset"), model.options)
    if model.name.startswith(("sphere.", "geoaware.zeroshot.")):  # whose weights are here
        given = {"device": "cpu", "dataset": entry.run.dataset.name, **model.options}
        assert load_model(found, **given).revision == model.revision
        assert model_of(entry.run, Sources(device="cpu")).revision == model.revision


def test_a_name_that_leads_nowhere_asks_for_the_model(entry):
    with pytest.raises(KapbenchError, match="No installed model is called colours") as caught:
        reproduce(entry, 12)
    assert (
        "Give --model, as in the submission card's command: kapbench run --model my_adapter"
        in caught.value.fix
    )


def test_a_composed_model_is_run_again(entry, monkeypatch):
    """Found by the head of its name, given an option more, refused by what is left to differ."""
    edit(entry, lambda c: c["run"]["model"].update(name="sphere.lite0"))
    asked = []

    def load(name, **options):
        asked.append((name, options))
        raise KapbenchError("no weights", fix="train some")

    monkeypatch.setattr(model_again, "load_model", load)
    with pytest.raises(KapbenchError, match="no weights") as caught:
        reproduce(entry, 12, options={"weights": "w.safetensors"})
    ((name, options),) = asked
    assert name == "sphere.lite0"
    assert options["weights"] == "w.safetensors"
    assert caught.value.fix == "train some. Or give --model SPEC, -o weights=FILE"


def test_pairs_are_chosen_by_hash_and_by_whole_targets():
    pairs = dots().Dots(n_images=6).pairs()
    chosen = choose(pairs, 12, "seed")
    assert [p.pair_id for p in choose(pairs[::-1], 12, "seed")] == [p.pair_id for p in chosen][::-1]
    assert {p.pair_id for p in choose(pairs, 12, "another")} != {p.pair_id for p in chosen}
    targets = {p.target.image_id for p in chosen}
    assert len(chosen) == sum(p.target.image_id in targets for p in pairs) >= 12
    assert len(choose(pairs, 10**6, "seed")) == len(pairs)


def test_missing_rows_and_columns_are_differences(run):
    rows = load_records(run)
    assert differences(rows, rows.iloc[:7]) == {}
    assert differences(rows.iloc[7:], rows) == {"rows": np.inf}
    assert differences(rows.drop(columns="size_px"), rows) == {"size_px": np.inf}
    assert differences(rows.drop(columns="identity"), rows) == {}  # of an earlier version
    blank = rows.assign(**{"best@cvpr24": np.nan})
    assert differences(blank, rows) == {"best@cvpr24": np.inf}
