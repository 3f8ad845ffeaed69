"""benchmarks/speed/training.py runs with any preset and backbone."""

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
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(benchmark, tmp_path, *options):
    dataset = ["--dataset", f"{TOY}:ToyData", "--steps", "2", "--naive-steps", "1"]
    benchmark.main([*dataset, *options, "--json", str(tmp_path / "result.json")])
    return json.loads((tmp_path / "result.json").read_text())


def test_a_batch_has_at_most_as_many_images_as_the_data_set(benchmark, tmp_path, capsys):
    result = measure(benchmark, tmp_path, "--backbone", f"{TOY}:ToyEncoder", "--parts", "2")
    assert (result["preset"], result["batch"], result["tokens"]) == ("lite0", 8, 160)
    assert result["ratio"] == pytest.approx(
        result["steps_per_second"] / result["naive_steps_per_second"], rel=1e-6
    )
    assert "ratio" in capsys.readouterr().out


@pytest.mark.slow
def test_the_papers_preset_over_a_random_dinov2(benchmark, tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="needs the extra hf")
    monkeypatch.setattr("random_weights.BLOCKS", {"vits14": 1})
    options = ("--preset", "paper", "--backbone", "dinov2.vits14", "--random", "--batch", "2")
    result = measure(benchmark, tmp_path, *options)
    assert (result["batch"], result["tokens"], result["random"]) == (2, 1024, True)
    assert result["naive_steps_per_second"] > 0
