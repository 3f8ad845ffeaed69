"""Submissions from a finished run to a checked entry, by the command line and without."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from submissions import CARD, DOTS, made_by, only

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.running.results import load_card
from kapbench_leaderboard.comparison import resamples, resamples_file
from kapbench_leaderboard.entries import schema
from kapbench_leaderboard.entries.untrusted_files import MOST_BYTES
from kapbench_leaderboard.submit.check import check
from kapbench_leaderboard.submit.prepare import prepare, read_card
from kapbench_leaderboard.submit.reports import check_all

ROOT = Path(__file__).parents[3]


def kapbench(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def edit(path, **change):
    content = json.loads(path.read_text())
    content["provenance"] |= change
    path.write_text(json.dumps(content))


def test_three_files_in_their_place(entry, tmp_path):
    assert entry.relative_to(tmp_path / "results").parts[:2] == ("dots", "colours")
    assert {p.suffix for p in entry.parent.iterdir()} == {".json", ".parquet", ".safetensors"}
    made = schema.load_entry(entry)
    assert made.card.title == "A test's model"
    assert made.run.model.name == "colours"
    assert resamples_file.load(schema.resamples_path(entry)).key == resamples.key(made.run)


def test_seconds_per_image_are_the_runs_unless_the_card_gives_them(
    run, copied_run, card, entry, tmp_path
):
    measured = load_card(run).provenance.seconds_per_image
    assert measured > 0
    assert schema.load_entry(entry).card.seconds_per_image == measured
    card.write_text(card.read_text() + "seconds_per_image = 7\n")
    path = prepare(copied_run, tmp_path / "others", card)
    assert schema.load_entry(path).card.seconds_per_image == 7


def test_images_out_of_a_cache_are_not_timed(tmp_path):
    folder = made_by("Colours", tmp_path)
    assert load_card(folder).provenance.seconds_per_image is not None
    shutil.rmtree(folder)
    assert load_card(made_by("Colours", tmp_path)).provenance.seconds_per_image is None


def test_the_same_run_again_is_the_same_bytes(run, card, entry, tmp_path):
    before = {p: p.read_bytes() for p in entry.parent.iterdir()}
    notes = []
    prepare(run, tmp_path / "results", card, progress=Progress(log=notes.append))
    assert before == {p: p.read_bytes() for p in entry.parent.iterdir()}
    assert any("This run's entry exists already" in line for line in notes)


class Told(Progress):
    """Remembers every stage: its name, what it was to do, what it did."""

    def __init__(self):
        super().__init__()
        self.stages = []

    @contextmanager
    def stage(self, name, total):
        done = []
        yield done.append
        self.stages.append((name, total, sum(done)))


def test_what_takes_long_says_how_far_it_is(run, card, tmp_path):
    told = Told()
    path = prepare(run, tmp_path / "results", card, progress=told)
    assert check_all([path], progress=told)[1]
    (resample, check) = told.stages
    assert resample == ("resample", 1, 1)
    assert check[0] == "dots/colours"
    assert check[1] == check[2] > 50


def test_another_card_does_not_replace_an_entry(run, card, entry, tmp_path):
    card.write_text(card.read_text().replace("A test's model", "Mine"))
    for path in (schema.records_path(entry), schema.resamples_path(entry)):
        path.write_bytes(b"what was accepted")
    before = {p: p.read_bytes() for p in entry.parent.iterdir()}
    with pytest.raises(KapbenchError, match="another submission of this run"):
        prepare(run, tmp_path / "results", card, adapter=f"{DOTS}:Colours")
    assert before == {p: p.read_bytes() for p in entry.parent.iterdir()}
    assert not (tmp_path / "adapters").exists()


def test_an_entry_from_before_a_field_was_there_is_the_same(run, card, entry, tmp_path):
    content = json.loads(entry.read_text())
    del content["card"]["adapter_sha256"]
    entry.write_text(json.dumps(content, indent=1))
    before = entry.read_bytes()
    assert prepare(run, tmp_path / "results", card) == entry
    assert entry.read_bytes() == before


def test_a_run_with_uncommitted_changes_is_refused(copied_run, card, tmp_path):
    edit(copied_run / "run.json", git_dirty=True)
    with pytest.raises(KapbenchError, match="uncommitted changes"):
        prepare(copied_run, tmp_path / "results", card, adapter=f"{DOTS}:Colours")
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "adapters").exists()


def test_large_records_need_an_address(run, card, tmp_path, monkeypatch):
    monkeypatch.setattr("kapbench_leaderboard.submit.prepare.BESIDE", 100)
    with pytest.raises(KapbenchError, match="too large") as caught:
        prepare(run, tmp_path / "results", card)
    assert "--records-url" in caught.value.fix
    path = prepare(run, tmp_path / "results", card, "https://example.org/records.parquet")
    assert not schema.records_path(path).exists()
    assert str(schema.load_entry(path).records.url) == "https://example.org/records.parquet"
    report, good = check_all([path])
    assert not good
    assert "Give --fetch, or download them and give --records FILE" in report
    report, good = check_all([path], records=run / "records.parquet")
    assert good, report


def test_records_that_are_too_large_even_elsewhere(run, card, tmp_path, monkeypatch):
    monkeypatch.setitem(MOST_BYTES, ".parquet", 100)
    with pytest.raises(KapbenchError, match="at most 0 are accepted"):
        prepare(run, tmp_path / "results", card, "https://example.org/records.parquet")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://169.254.169.254/latest",
        "https://[::1]/x",
        "https://localhost/x",
        "https://LOCALHOST./x",
        "https://records/x",
        "https://metadata.google.internal/x",
        "no address",
    ],
)
def test_an_address_that_not_everybody_can_ask(run, card, entry, tmp_path, url):
    with pytest.raises(KapbenchError, match="address of the records is wrong"):
        prepare(run, tmp_path / "others", card, url)
    assert not (tmp_path / "others").exists()
    content = json.loads(entry.read_text())
    content["records"]["url"] = url
    entry.write_text(json.dumps(content))
    report, good = check_all([entry], fetch=True)
    assert not good
    assert "Key 'records.url': " in report


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("title", ""), "title: The key is missing"),
        (
            ('"none"', '"telepathy"'),
            "supervision.0: The value 'telepathy' is not valid: it should be 'none'",
        ),
        (
            ("input_px = 840", "input_px = 0"),
            "input_px: The value 0 is not valid: it should be greater than 0",
        ),
        (("[", "[["), "The file is not TOML"),
        (("A test's model", "<b>"), "title: The value '<b>' is not valid"),
    ],
)
def test_a_card_that_is_wrong_says_every_field(card, change, said):
    lines = card.read_text()
    if change[0] == "title":
        lines = "\n".join(line for line in lines.splitlines() if not line.startswith("title"))
    card.write_text(lines.replace(*change) if change[0] != "title" else lines)
    with pytest.raises(KapbenchError, match=said):
        read_card(card)


def test_problems_of_a_card_say_what_to_write(card):
    text = card.read_text().replace('["Grace Hopper"]', '"Ada"').replace("86000000", '"0"')
    card.write_text(text)
    with pytest.raises(KapbenchError) as caught:
        read_card(card)
    authors, parameters = caught.value.thing.partition("wrong: ")[2].split("; ")
    assert authors == 'authors: Write a list in brackets, e.g. authors = ["Ada"]'
    assert parameters.startswith("n_parameters: Write a number without quotes, e.g. n_parameters =")


@pytest.mark.parametrize(
    ("model", "has_note"), [("lite0", True), ("colours", False), ("my.py:Colours", False)]
)
def test_a_card_whose_command_runs_another_model_is_noted(run, card, tmp_path, model, has_note):
    card.write_text(card.read_text().replace("my_adapter.py:MyModel", model))
    notes = []
    prepare(run, tmp_path / "results", card, progress=Progress(log=notes.append))
    note = f"runs the model {model}, but this run is of colours"
    assert any(note in line for line in notes) == has_note


def test_the_report_for_a_terminal_has_no_markdown_table(entry):
    text = check_all([entry], tables_as="text").text
    assert "| model |" not in text
    assert "KAP" in text


TO_FILL_IN = (
    "title authors licence backbone supervision training_data input_px n_parameters command"
)


def test_the_untouched_template_is_refused_with_every_placeholder(run, card, tmp_path):
    card.write_text(kapbench("submit", "template").output)
    with pytest.raises(KapbenchError, match="not filled in") as caught:
        prepare(run, tmp_path / "results", card)
    assert caught.value.thing.endswith(": " + ", ".join(TO_FILL_IN.split()))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["title", "supervision", "n_parameters"])
def test_one_placeholder_that_is_left_is_named(card, name):
    template = kapbench("submit", "template").output
    (left,) = (line for line in template.splitlines() if line.startswith(name))
    filled = card.read_text().splitlines()
    card.write_text("\n".join([left if line.startswith(name) else line for line in filled]))
    with pytest.raises(KapbenchError, match=rf"not filled in: {name}\n"):
        read_card(card)


@pytest.mark.parametrize(
    "values",
    [
        {"title": "My model", "authors": ["Ada Lovelace"]},  # of an older template
        {"backbone": "FILL IN: e.g. DINOv2 ViT-B/14"},
    ],
)
def test_an_entry_with_a_card_that_was_not_filled_in_is_refused(entry, values):
    content = json.loads(entry.read_text())
    content["card"] |= values
    entry.write_text(json.dumps(content))
    only(check(entry), f"was not filled in: {', '.join(values)} have")


def test_a_run_of_some_pairs_is_refused(copied_run, card, entry, tmp_path):
    path = copied_run / "run.json"
    content = json.loads(path.read_text())
    content["dataset"]["limit"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(KapbenchError, match=r"only some pairs \(--limit 5\)"):
        prepare(copied_run, tmp_path / "others", card)
    content = json.loads(entry.read_text())
    content["run"]["dataset"]["limit"] = 5
    entry.write_text(json.dumps(content))
    only(check(entry), "only some pairs (--limit 5)")


def test_label_and_command_are_not_submitted(copied_run, card, tmp_path):
    path = copied_run / "run.json"
    content = json.loads(path.read_text()) | {"label": "mine", "command": "kapbench run /home/me"}
    path.write_text(json.dumps(content))
    run = schema.load_entry(prepare(copied_run, tmp_path / "others", card)).run
    assert (run.label, run.command) == (None, None)


def test_runs_are_prepared_by_the_name_of_their_model(run, card, tmp_path):
    words = ["--to", tmp_path / "results", "--card", card, "--runs", run.parents[3]]
    prepared = kapbench("submit", "prepare", "colours", *words)
    assert prepared.exit_code == 0, prepared.output
    unknown = kapbench("submit", "prepare", "colour", *words)
    assert "Did you mean colours?" in unknown.output


def test_the_command_from_run_to_check(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("card.toml").write_text(CARD)
    done = kapbench("submit", "prepare", run, "--to", "results", "--card", "card.toml")
    assert done.exit_code == 0
    assert "Next: run `kapbench submit check results`" in done.output
    done = kapbench("submit", "check", "results")
    assert done.exit_code == 0, done.output
    assert "ok  " in done.output
    assert "| model | KAP@0.10 |" in done.output


def test_the_command_refuses_and_says_why(entry, tmp_path):
    entry.write_text("{}")
    done = kapbench("submit", "check", tmp_path / "results")
    assert done.exit_code == 1
    assert "REFUSED" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("prepare",), "Missing argument 'RUNS...'"),
        (("prepare", "nowhere"), "Missing option '--to'"),
        (("prepare", "nowhere", "--to", "x"), "Missing option '--card'"),
        (("prepare", "nowhere", "--to", "x", "--card", "no.toml"), "no finished run"),
        (("manifest", "nowhere", "--to", "x"), "no finished run"),
        (("check",), "Missing argument 'PATHS...'"),
        (("check", "nowhere"), "Error: The path does not exist"),
        (("check", "nowhere.json"), "The path does not exist"),
        (("adapters", "nowhere"), "The path does not exist"),
        (("reproduce", "--pairs", "0", "x"), "--pairs"),
        (("reproduce", "--pairs", "3", "x.json"), "not a leaderboard entry"),
        (("reproduce", "."), "Give the .json of an entry"),
    ],
)
def test_what_is_not_there_is_named(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = kapbench("submit", *words)
    assert done.exit_code in (1, 2)
    assert said in done.output
    assert "Traceback" not in done.output
    assert not Path("x").exists()


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def test_an_accepted_result_is_never_changed(entry, tmp_path):
    results = tmp_path / "results"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "results")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "accepted")
    assert check_all([results], "HEAD")[1]
    entry.write_text(entry.read_text() + " ")
    report, good = check_all([results], "HEAD")
    assert not good
    assert "Accepted results are never changed" in report
    with pytest.raises(KapbenchError, match="cannot be compared with git revision 'nowhere'"):
        check_all([results], "nowhere")


def test_no_torch_comes_along():
    code = (
        "import sys; from kapbench_leaderboard.submit.reports import check_all; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("name", "model"), [("entry", schema.Entry), ("run", schema.RunCard)])
def test_the_published_schema_is_the_models(name, model):
    stored = json.loads((ROOT / "leaderboard" / f"{name}.schema.json").read_text())
    assert stored == model.model_json_schema()
