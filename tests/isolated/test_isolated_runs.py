"""A run of an isolated model: the same to the bit, and one clear error for whatever its process does."""

import gc
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_world import CATEGORIES, TinyEncoder, evaluate

import kapbench
from kapbench.errors import KapbenchError
from kapbench.isolated import load
from kapbench.isolated.load import describe, load_isolated
from kapbench.models.contract import broken
from kapbench.processes.jail.command import Isolation, isolation

HERE = Path(__file__).parent / "adapter.py"
JAILED = {"files", "network", "signals"} <= isolation().enforced


def spec(name: str) -> str:
    return f"{HERE}:{name}"


def test_an_encoder_gives_the_same_records_to_the_bit(tmp_path):
    notes = []
    plain = evaluate(tmp_path, spec("Encoder"), model_options={"factor": 3})
    progress = kapbench.progress.Progress(show=False, log=notes.append)
    apart = evaluate(
        tmp_path, spec("Encoder"), model_options={"factor": 3}, isolated=True, progress=progress
    )
    assert apart.records.equals(plain.records)
    assert apart.card.model == plain.card.model
    assert apart.card.plan_hash == plain.card.plan_hash
    assert apart.folder != plain.folder
    assert plain.card.provenance.isolated == ()
    assert "isolated" not in json.loads((plain.folder / "run.json").read_text())["provenance"]
    kept = apart.card.provenance.isolated
    assert kept == (("process", "files", "network", "processes") if JAILED else kept)
    assert kept[0] == "process"
    assert describe(kept) in notes
    # The cache keeps features of the two apart, and a finished run is read back.
    assert len({path.parts[-3] for path in (tmp_path / "cache").rglob("*.safetensors")}) == 2
    assert evaluate(tmp_path, spec("Encoder"), model_options={"factor": 3}, isolated=True).resumed


def test_a_pair_model_with_twins_gives_the_same_records_to_the_bit(tmp_path):
    plain = evaluate(tmp_path, spec("Pairs"))
    apart = evaluate(tmp_path, spec("Pairs"), isolated=True)
    assert apart.records.equals(plain.records)
    assert apart.card.model == plain.card.model


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lite0", "sift"])
def test_models_of_the_baselines_give_the_same_records_to_the_bit(tmp_path, name):
    how = {"rule": "kap-v1", "categories": ["car"], "cache": tmp_path, "intervals": False}
    plain = kapbench.evaluate(name, "synthetic.small", device="cpu", **how)
    apart = kapbench.evaluate(name, "synthetic.small", device="cpu", isolated=True, **how)
    assert apart.records.equals(plain.records)
    assert apart.card.provenance.isolated


def test_workers_score_what_an_isolated_encoder_made(tmp_path):
    plain = evaluate(tmp_path, spec("Encoder"))
    apart = evaluate(tmp_path, spec("Encoder"), isolated=True, workers=2)
    assert apart.records.equals(plain.records)


def test_no_code_of_the_model_is_loaded_here(tmp_path):
    sys.modules.pop("kapbench_user_adapter", None)
    evaluate(tmp_path, spec("Encoder"), isolated=True, option_texts=("factor=2",))
    assert "kapbench_user_adapter" not in sys.modules


def test_options_are_texts_or_values_and_files_are_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "weights.txt").write_text("0.5")
    monkeypatch.chdir(tmp_path)
    by_value = load_isolated(spec("Encoder"), options={"factor": 3, "weights": "weights.txt"})
    by_text = load_isolated(spec("Encoder"), texts=["factor=3", "weights=weights.txt"])
    plain = kapbench.load_model(spec("Encoder"), factor=3, weights="weights.txt")
    assert by_value.revision == by_text.revision == plain.revision
    assert by_value.options == {"factor": 3}


def test_it_keeps_the_contract_of_models(tmp_path):
    assert broken(load_isolated(spec("Pairs"))) == []


def test_it_knows_neither_names_nor_places(tmp_path, monkeypatch):
    monkeypatch.setenv("KAPBENCH_DATA", str(tmp_path))
    with pytest.raises(KapbenchError, match=r"RuntimeError: [0-9a-f]+ set\(\) \[\] None") as caught:
        evaluate(tmp_path, spec("Names"), isolated=True)
    assert any(name in str(caught.value.place) for name in CATEGORIES)  # said by the evaluator


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("exit", "ended with status 0 before it answered"),
        ("sys.exit", "The model failed: SystemExit: 0"),
        ("hang", "gave no answer within 20 s"),
        ("raise", "The model failed: ValueError: no such layer"),
        ("write", "The model failed: ValueError: assignment destination is read-only"),
        ("none", r"match\(\) returned a NoneType without values and grid"),
        ("nan", "not all finite"),
        ("shape", r"The similarity has the shape \[\d, 4, 6\], not \[\d, 5, 6\]"),
        ("garbage", "sent a malformed answer"),
    ],
)
def test_whatever_a_model_does_is_one_error_that_names_the_pair(tmp_path, how, message):
    with pytest.raises(KapbenchError, match=message) as caught:
        evaluate(
            tmp_path,
            spec("Failing"),
            isolated=True,
            model_options={"how": how},
            model_seconds=20 if how == "hang" else 600,
        )
    assert "pair cat/" in str(caught.value.place)
    assert caught.value.fix
    assert not list(tmp_path.rglob("run.json"))
    assert "\x1b" not in str(caught.value)
    if how in ("exit", "hang", "garbage"):
        assert "the last words" in caught.value.thing
    if how == "raise":
        assert str(caught.value.place).endswith("adapter.py:61, in _raise")
    if how == "write":
        assert caught.value.place.endswith("in match")
        assert "picture.pixels.copy()" in caught.value.fix


def test_an_exception_in_encode_is_named_with_its_line(tmp_path):
    with pytest.raises(KapbenchError, match="is read-only") as caught:
        evaluate(tmp_path, spec("WritesPixels"), isolated=True)
    assert "image" in caught.value.place
    assert caught.value.place.endswith("in encode")
    assert "picture.pixels.copy()" in caught.value.fix


def test_batches_are_halved_when_its_memory_ends(tmp_path):
    notes = []
    progress = kapbench.progress.Progress(show=False, log=notes.append)
    result = evaluate(tmp_path, spec("Memory"), isolated=True, batch_size=4, progress=progress)
    assert len(result.records)
    assert "2 images at once do not fit into memory; the batch size is now 1" in notes


@pytest.mark.parametrize(
    "name", ["random", "oracle", "never-silent", "features:maps", "similarity:maps"]
)
def test_controls_and_saved_maps_are_refused(tmp_path, name):
    with pytest.raises(KapbenchError, match="cannot be isolated"):
        evaluate(tmp_path, name, isolated=True)


def test_a_model_that_reads_names_is_refused(tmp_path):
    with pytest.raises(KapbenchError, match="cannot be isolated"):
        evaluate(tmp_path, spec("SavedMaps"), isolated=True)


def test_a_model_that_is_already_made_is_refused(tmp_path):
    with pytest.raises(KapbenchError, match="already made cannot be isolated"):
        evaluate(tmp_path, TinyEncoder(), isolated=True)


def test_a_missing_class_and_a_wrong_option_are_named(tmp_path):
    with pytest.raises(KapbenchError, match="Unknown class 'Encodr'"):
        evaluate(tmp_path, spec("Encodr"), isolated=True)
    with pytest.raises(KapbenchError, match="Unknown model 'no-such'"):
        evaluate(tmp_path, "no-such", isolated=True)
    with pytest.raises(KapbenchError, match="Unknown option 'factr'"):
        evaluate(tmp_path, spec("Encoder"), isolated=True, model_options={"factr": 3})
    with pytest.raises(KapbenchError, match="cannot be sent"):
        evaluate(tmp_path, spec("Encoder"), isolated=True, model_options={"factor": np.ones(3)})


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_its_process_ends_with_the_model():
    model = load_isolated(spec("Pairs"))
    process = model.process._process
    assert Path(f"/proc/{process.pid}").exists()
    del model
    gc.collect()
    assert process.returncode is not None
    assert not Path(f"/proc/{process.pid}").exists()


def test_without_a_jail_it_runs_and_the_card_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "isolation", lambda: Isolation(frozenset()))
    result = evaluate(tmp_path, spec("Pairs"), isolated=True)
    assert result.card.provenance.isolated == ("process",)
    text = describe(("process",))
    assert "does not keep it from files of this machine but the model's own, the network or" in text
