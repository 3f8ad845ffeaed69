"""benchmarks/speed/training.py runs with any preset and backbone, and times what it says."""

import importlib.util
import json
from pathlib import Path

import pytest
from toy_backbone import TOY

PATH = Path(__file__).parents[2] / "benchmarks/speed/training.py"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(PATH.parent)
    spec = importlib.util.spec_from_file_location("benchmark_of_training", PATH)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def found(benchmark, tmp_path, *words):
    own = ["--dataset", f"{TOY}:ToyData", "--steps", "2", "--naive-steps", "1"]
    benchmark.main([*own, *words, "--json", str(tmp_path / "found.json")])
    return json.loads((tmp_path / "found.json").read_text())


def test_both_loops_take_batches_of_as_many_images_as_there_are(benchmark, tmp_path, capsys):
    told = found(benchmark, tmp_path, "--backbone", f"{TOY}:ToyEncoder", "--parts", "2")
    assert (told["preset"], told["batch"], told["tokens"]) == ("lite0", 8, 160)
    assert told["ratio"] == pytest.approx(
        told["steps_per_second"] / told["naive_steps_per_second"], rel=1e-6
    )
    assert "ratio" in capsys.readouterr().out


def test_the_papers_preset_over_a_random_dinov2(benchmark, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="needs the extra hf")
    monkeypatch.setattr("random_weights.BLOCKS", {"vits14": 1})
    words = ("--preset", "paper", "--backbone", "dinov2.vits14", "--random", "--batch", "2")
    told = found(benchmark, tmp_path, *words)
    assert (told["batch"], told["tokens"], told["random"]) == (2, 1024, True)
    assert told["naive_steps_per_second"] > 0
