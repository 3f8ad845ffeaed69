"""`kapbench list`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tiny_datasets import cub as write_cub

from kapbench import load_dataset
from kapbench.registry import names
from kapbench.scoring.rules import load_rule, rule_names


def test_every_registered_model_with_what_it_is(kapbench):
    lines = json.loads(kapbench("list", "models", "--format", "json").stdout)
    listed = {re.sub(r"(DIR|NAME|A\+B)$", "", line["name"]): line for line in lines}
    assert set(listed) == {*names("models"), "FILE.py:CLASS"}
    assert all(line["summary"] not in ("", "(not installed)") for line in lines)
    assert all(not line["summary"].startswith("Args") for line in lines)


def test_different_methods_are_told_apart(kapbench):
    lines = json.loads(kapbench("list", "models", "--format", "json").stdout)
    said = {line["name"]: line["summary"] for line in lines}
    apart = (
        "sd.v15",
        "sd.v21",
        "dift",
        "sd_dino",
        "diy_sc.768",
        "diy_sc.384",
        "dve",
        "asic",
        "sift",
    )
    assert len({said[name] for name in apart}) == len(apart)
    assert "2.1" in said["sd.v21"]
    assert "atlas" in said["asic"]


def test_a_published_backbone_is_listed_in_a_line_with_its_licence(kapbench):
    shown = kapbench("list", "models").stdout.splitlines()
    assert max(map(len, shown)) <= 80
    [sam] = [line for line in shown if line.startswith("sam.vitb16 ")]
    assert sam.split(maxsplit=1)[1] == "SAM ViT-B/16, 1024 px; Apache-2.0"
    names_ = {line.split()[0] for line in shown if not line.startswith(" ")}
    assert {"vggt.encoder", "c_radio.v4h", "dinov2.vitb14reg"} <= names_


def test_listing_models_imports_none_of_them():
    code = (
        "import sys; from kapbench.cli import main; main(['list', 'models'], standalone_mode=False);"
        "sys.exit(' '.join({'torch', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def states(kapbench, root="nowhere"):
    done = kapbench("list", "datasets", "--data-root", root, "--format", "json")
    return {line["name"]: line for line in json.loads(done.stdout)}


def test_data_sets_say_what_is_there_and_how_to_get_it(kapbench):
    listed = states(kapbench)
    assert {name.removesuffix("FILE") for name in listed} == set(names("datasets"))
    assert listed["spair"]["state"] == "absent"
    assert "kapbench fetch spair" in listed["spair"]["coverage"]


def test_a_missing_file_is_named(kapbench):
    assert str(Path("nowhere", "SPair-71k")) in states(kapbench)["spair"]["coverage"]


def test_photographs_that_lack_leave_the_annotations(kapbench, tmp_path):
    write_cub(tmp_path / "data")
    for path in (tmp_path / "data").rglob("*.jpg"):
        path.unlink()
    listed = states(kapbench, tmp_path / "data")["cub"]
    assert listed["state"] == "annotations"
    assert "2 categories, 8 pairs" in listed["coverage"]
    assert "kapbench fetch cub" in listed["coverage"]
    shown = kapbench("list", "datasets", "--data-root", tmp_path / "data").stdout
    assert "cub                  annotations only: " in shown


def test_each_data_set_is_listed_by_its_own_default_split(kapbench):
    """freiburg-cars has but one, for training."""
    assert "for training only" not in states(kapbench)["freiburg-cars"]["coverage"]
    asked = kapbench("list", "datasets", "--data-root", "nowhere", "--split", "test").stdout
    assert "for training only" in " ".join(asked.split())
    wide = [line for line in asked.splitlines() if len(line) > 80]
    assert not [line for line in wide if len(line.split()) > 1]  # paths and addresses alone


def test_listing_renders_nothing(kapbench, tmp_path, monkeypatch):
    images = load_dataset("synthetic.small").paths.values()
    rendered = next(iter(images)).parents[2]
    monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path / "fresh"))
    assert states(kapbench)["synthetic.small"]["state"] == "absent"
    assert not list((tmp_path / "fresh").rglob("*.png"))
    shutil.copytree(rendered, tmp_path / "fresh" / "synthetic" / rendered.name)
    listed = states(kapbench)["synthetic.small"]
    assert listed["state"] == "present"
    assert listed["coverage"].startswith("complete: 4 categories")


def test_rules_with_their_hashes(kapbench):
    shown = kapbench("list", "rules").stdout
    for name in rule_names():
        assert f"{name:<20} {load_rule(name).hash}" in shown
        assert load_rule(name).summary in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_runs(kapbench, score):
    assert "There are no finished runs in the folder ./runs." in kapbench("list", "runs").stderr
    score()
    (line,) = json.loads(kapbench("list", "runs", "--format", "json").stdout)
    assert (line["name"], line["n_pairs"], line["n_pairs_expected"]) == ("colours", 24, 40)
    assert Path(line["folder"], "run.json").exists()
    lines = kapbench("list", "runs").stdout.splitlines()
    assert f"    {line['folder']}" in lines
    assert max(len(text) for text in lines if line["folder"] not in text) <= 80
    assert ", ".join(line["rules"]) in " ".join(" ".join(lines).split())


def test_what_cannot_be_listed(kapbench):
    done = kapbench("list", "modles")
    assert done.exit_code == 2
    assert "models" in done.stderr
