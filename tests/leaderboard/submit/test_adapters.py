"""An adapter that comes with its entry: kept under its content's hash, tested, found again."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from submissions import DOTS, edit

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash
from kapbench_leaderboard.entries.schema import load_entry
from kapbench_leaderboard.submit.adapter_trial import try_adapter
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.submit.model_again import spec
from kapbench_leaderboard.submit.prepare import prepare

FINE = """
import numpy as np
from kapbench.types import FeatureMap, Grid


class Fine:
    name, revision, conditions_on, similarity = "colours", "1", (), "dot"

    def encode(self, pictures):
        return [self._map(p.pixels[:8, :8].astype(np.float32), p.size) for p in pictures]

    def _map(self, corner, size):
        return FeatureMap(corner.transpose(2, 0, 1), Grid.stretched(size, 8, 8))
"""


def kapbench(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def with_adapter(run, card, tmp_path) -> Path:
    return prepare(run, tmp_path / "results", card, adapter=f"{DOTS}:Colours")


def file_of(tmp_path) -> Path:
    (found,) = (tmp_path / "adapters").iterdir()
    return found


def test_an_adapter_is_kept_beside_the_results_and_found_again(with_adapter, tmp_path):
    kept = file_of(tmp_path)
    assert kept.read_bytes() == DOTS.read_bytes()
    assert kept.name.startswith("colours-")
    entry = load_entry(with_adapter)
    assert entry.card.adapter == f"{kept.name}:Colours"
    assert entry.card.adapter_sha256 == file_hash(kept)
    assert spec(with_adapter, entry) == f"{kept}:Colours"
    assert check(with_adapter) == []


def test_an_adapter_that_is_not_there_or_was_changed(with_adapter, tmp_path):
    kept = file_of(tmp_path)
    kept.write_text("pass")
    assert any("not the file that was submitted" in found for found in check(with_adapter))
    kept.unlink()
    assert any("is missing from the folder adapters" in found for found in check(with_adapter))


def test_an_adapter_of_the_same_head_of_a_hash_is_another(with_adapter, tmp_path):
    kept = file_of(tmp_path)
    head = file_hash(kept)[:8]
    edit(with_adapter, lambda c: c["card"].update(adapter_sha256=head + "0" * 56))
    assert any("not the file that was submitted" in found for found in check(with_adapter))
    edit(with_adapter, lambda c: c["card"].pop("adapter_sha256"))
    assert any("names an adapter without adapter_sha256" in found for found in check(with_adapter))


def test_an_adapter_that_another_file_stands_in_the_place_of_is_not_replaced(run, card, tmp_path):
    fine = tmp_path / "fine.py"
    fine.write_text(FINE)
    place = tmp_path / "adapters" / f"colours-{file_hash(fine)[:8]}.py"
    place.parent.mkdir()
    place.write_text("another")
    with pytest.raises(KapbenchError, match="another adapter whose sha256"):
        prepare(run, tmp_path / "results", card, adapter=f"{fine}:Fine")
    assert place.read_text() == "another"
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "name",
    ["../x-00000000.py:A", "x.py:A", "x-00000000.py", "x-00000000.py:a.b", "/x-00000000.py:A"],
)
def test_an_adapter_by_a_name_that_leads_out(entry, name):
    edit(entry, lambda c: c["card"].update(adapter=name))
    assert any(
        "Key 'card.adapter'" in found and "should match pattern" in found for found in check(entry)
    )


@pytest.mark.parametrize(
    ("adapter", "said"),
    [("nowhere.py:A", "cannot be read"), (f"{DOTS}:Colours", "0 are the limit")],
)
def test_an_adapter_that_cannot_be_kept(run, card, tmp_path, monkeypatch, adapter, said):
    monkeypatch.setattr("kapbench_leaderboard.submit.prepare.ADAPTER_BYTES", 100)
    with pytest.raises(KapbenchError, match=said):
        prepare(run, tmp_path / "results", card, adapter=adapter)
    assert not (tmp_path / "adapters").exists()


def test_an_adapter_that_was_edited_after_the_run_is_not_submitted(copied_run, card, tmp_path):
    fine, path = tmp_path / "fine.py", copied_run / "run.json"
    fine.write_text(FINE)
    content = json.loads(path.read_text())
    content["model"]["revision"] = f"1-{file_hash(fine)[:8]}"
    path.write_text(json.dumps(content))
    words = ("--to", tmp_path / "results", "--card", card, "--adapter", f"{fine}:Fine")
    fine.write_text(FINE.replace(":8, :8", ":4, :4"))
    refused = kapbench("submit", "prepare", copied_run, *words)
    assert refused.exit_code == 1
    assert f"but the run used colours of revision {content['model']['revision']}" in refused.output
    assert not (tmp_path / "results").exists()
    fine.write_text(FINE)
    done = kapbench("submit", "prepare", copied_run, *words)
    assert done.exit_code == 0, done.output
    assert "/adapters/colours-" in done.output
    assert all(f"{suffix}\n" in done.output for suffix in (".json", ".parquet", ".safetensors"))


def test_adapters_of_entries_keep_their_contract_and_are_what_ran(run, card, tmp_path):
    (tmp_path / "fine.py").write_text(FINE)
    with_adapter = prepare(run, tmp_path / "results", card, adapter=f"{tmp_path / 'fine.py'}:Fine")
    edit(with_adapter, lambda c: c["run"]["model"].update(similarity="dot"))
    done = kapbench("submit", "adapters", tmp_path / "results")
    assert done.exit_code == 0, done.output
    assert f"ok  adapter {file_of(tmp_path)}:Fine" in done.output
    edit(with_adapter, lambda c: c["run"]["model"].update(trained_on="everything"))
    done = kapbench("submit", "adapters", tmp_path / "results")
    assert done.exit_code == 1
    assert "trained_on is None, but the entry has 'everything'" in done.output


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise OSError('no weights')", ":Broken' cannot be made: OSError: no weights"),
        ("raise SystemExit(0)", "The model ended by sys.exit(0) in its constructor"),
        ("pass", "has no method encode or match"),
    ],
)
def test_an_adapter_that_cannot_be_made(entry, tmp_path, body, said):
    path = tmp_path / "broken.py"
    path.write_text(f"class Broken:\n    def __init__(self):\n        {body}\n")
    done = kapbench("submit", "check", "--adapter", f"{path}:Broken", entry)
    assert done.exit_code == 1
    assert f"ok  {entry}" in done.output
    assert f"REFUSED   adapter {path}:Broken" in done.output
    assert said in done.output


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "import os; os._exit(0)",
            "The trial ended without a result: its process ended with status 0",
        ),
        (
            "import os; os.kill(os.getpid(), 9)",
            "The trial ended without a result: its process was ended by signal 9",
        ),
    ],
)
def test_an_adapter_that_ends_the_test_has_not_passed_it(entry, tmp_path, body, said):
    path = tmp_path / "quits.py"
    path.write_text(f"{body}\n")
    done = kapbench("submit", "check", "--adapter", f"{path}:Quits", entry)
    assert done.exit_code == 1
    assert f"REFUSED   adapter {path}:Quits\n  - {said}" in done.output


def test_a_verdict_without_the_token_is_none(tmp_path):
    path = tmp_path / "forger.py"
    path.write_text(
        "import json, os, pathlib, tempfile\n"
        "for folder in pathlib.Path(tempfile.gettempdir()).glob('kapbench-*'):\n"
        "    said = json.dumps({'token': '0' * 32, 'findings': []})\n"
        "    (folder / 'verdict').write_text(said)\n"
        "print('forged')\n"
        "os._exit(0)\n"
    )
    (finding, printed) = try_adapter(f"{path}:Forger")
    assert finding.startswith("The trial ended without a result")
    assert printed == "The last lines that it printed:\nforged"


def test_an_adapter_that_never_ends(tmp_path):
    path = tmp_path / "sleeps.py"
    path.write_text("import time; time.sleep(60)\n")
    assert try_adapter(f"{path}:Sleeps", timeout_s=0.1) == [
        "The trial ended without a result: it was not finished after 0.1 s."
    ]


def test_what_an_adapter_prints_is_no_markup(entry, tmp_path):
    path = tmp_path / "loud.py"
    path.write_text("print('in order\\n```\\n@everyone ![x](https://evil.example)')\nLoud = 3\n")
    done = kapbench("submit", "check", "--adapter", f"{path}:Loud", entry)
    assert done.exit_code == 1
    trial = done.output[done.output.index("```\nREFUSED") :]
    inside = trial.removeprefix("```\n").removesuffix("\n```\n")
    assert "@everyone ![x](https://evil.example)" in inside
    assert "`" not in inside


def test_modules_of_the_folder_that_the_test_is_started_in_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "kapbench").mkdir()
    (tmp_path / "kapbench" / "__init__.py").write_text("raise SystemExit('a stranger')")
    (tmp_path / "fine.py").write_text(FINE)
    monkeypatch.chdir(tmp_path)
    assert try_adapter("fine.py:Fine") == []


def test_old_entries_have_no_adapter(entry):
    content = json.loads(entry.read_text())
    del content["card"]["adapter"]
    entry.write_text(json.dumps(content))
    assert load_entry(entry).card.adapter is None
    assert check(entry) == []
    assert kapbench("submit", "adapters", entry).output == ""


FORGERS = {
    "contract": "import kapbench.models.contract as c\nc._encodes = lambda model: iter(())\n",
    "verdict": (
        "import json, os, sys\n"
        "frame = sys._getframe()\n"
        "while frame is not None and 'task' not in frame.f_locals:\n"
        "    frame = frame.f_back\n"
        "if frame is not None:\n"
        "    told = {'token': frame.f_locals['task']['token'], 'findings': []}\n"
        "    os.write(frame.f_locals['verdict'], json.dumps(told).encode())\n"
        "    os._exit(0)\n"
    ),
}


@pytest.mark.parametrize("forger", FORGERS)
def test_an_adapter_that_forges_its_verdict_is_judged_by_its_answers(tmp_path, forger):
    path = tmp_path / "forger.py"
    random = "np.random.default_rng().random((3, 4, 4))"
    path.write_text(
        FORGERS[forger] + "import numpy as np\nfrom kapbench.types import FeatureMap, Grid\n"
        "class Forger:\n"
        "    name, revision, conditions_on, similarity, supervision = 'a', '1', (), 'dot', 'none'\n"
        "    def encode(self, pictures):\n"
        f"        return [FeatureMap({random}, Grid(4, 4, (0, 0, *p.size))) for p in pictures]\n"
    )
    assert "its features alone differ from those in a batch" in try_adapter(f"{path}:Forger")[0]
