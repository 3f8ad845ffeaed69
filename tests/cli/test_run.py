"""`kapbench run`: the folder it writes, what it prints, how it stops and goes on."""

import errno
import json
import os
import re
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from command_line import DOTS
from filelock import FileLock

from kapbench.cli.run import ALREADY_FINISHED
from kapbench.errors import KapbenchError
from kapbench.running.result_set import ResultSet
from kapbench.running.results import find_runs, load_card, load_records
from kapbench.scoring.rules import load_rule

BRIEFLY = ("Colours", "--rule", "pck-sd-dino")  # where what is scored does not matter
TWO = ("--rule", "kap-cvpr24", "--rule", "pck-sd-dino")


def folder() -> Path:
    (found,) = find_runs(Path("runs"))
    return found


def test_a_run_leaves_a_folder_and_prints_its_table(score):
    done = score()
    assert done.exit_code == 0, done.output
    card = load_card(folder())
    assert (card.model.name, card.dataset.name, card.dataset.n_pairs) == ("colours", "dots", 24)
    assert (
        len(load_records(folder())) == 84
    )  # of 4 images, two show 3 dots and two 4; 3 targets each
    assert f"run folder: {folder()}" in done.stdout
    assert f"pictures: kapbench show report {folder()} -o pictures" in done.stdout
    shown = card.score("kap-cvpr24", "kap", 0.1, "mean", average="category").value
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("colours")]
    assert f"{100 * shown:.1f}" in row


def test_the_coverage_is_said_before_and_in_the_table(score):
    done = score(*BRIEFLY)
    words = "partial: 2 of 3 categories (dot, spot), 24 of 40 pairs"
    assert words in done.stderr
    assert words in done.stdout


def test_a_category_alone(score):
    done = score(*BRIEFLY, "--category", "spot")
    assert "1 of 3 categories (spot), 12 of 40 pairs" in done.stderr
    assert load_card(folder()).dataset.categories == ("spot",)


def test_only_the_rules_asked_for(score):
    done = score("Colours", "--rule", "pck-v1", "--rule", "kap-v1")
    assert {r.name for r in load_card(folder()).rules} == {"pck-v1", "kap-v1"}
    assert "KAP by kap-v1" in done.stdout
    assert "PCK by pck-v1" in done.stdout


def test_two_rules_of_a_kind_stand_side_by_side(score):
    done = score("Colours", "--rule", "pck-v1", "--rule", "pck-sd-dino")
    assert "KAP" not in done.stdout
    assert "PCK by pck-sd-dino" in done.stdout


def test_options_reach_the_model_and_the_data_set_as_what_they_are(score):
    done = score(*BRIEFLY, "-o", "scale=0.5", "--dataset-option", "n_images=3")
    assert done.exit_code == 0, done.output
    assert load_card(folder()).dataset.n_pairs == 12


def test_an_option_that_a_model_must_be_given(score):
    assert score("NeedsLayers", "-o", "layers=3", *BRIEFLY[1:]).exit_code == 0
    assert load_card(folder()).model.name == "layers-3"


def test_the_control_is_scored_beside_the_model_and_once(kapbench, score):
    score("Colours", *TWO)
    first = kapbench(*_with_control())
    assert first.exit_code == 0, first.output
    (card,) = [c for c in map(load_card, find_runs(Path("runs"))) if c.model.name == "random"]
    again = kapbench(*_with_control())
    assert again.exit_code == 0
    assert card in [load_card(f) for f in find_runs(Path("runs"))]
    assert "random" in again.stdout
    assert "no run of the control" not in again.stdout


def test_the_ceiling_is_shown_where_the_oracle_was_scored_on_the_same_pairs(kapbench):
    words = _with_control()
    assert "oracle" not in kapbench(*words).stdout
    assert kapbench(*_with_control("oracle"), "--category", "dot").exit_code == 0
    assert "oracle" not in kapbench(*words).stdout
    assert kapbench(*_with_control("oracle")).exit_code == 0
    assert "\noracle " in kapbench(*words).stdout
    assert "oracle" not in kapbench(*words, "--no-control").stdout


def _with_control(model=None):
    dots = Path(__file__).parents[1] / "support/dots.py"
    given = model or f"{dots}:Colours"
    return ("run", "--model", given, "--dataset", f"{dots}:Dots", "--cache", "cache", *TWO)


def test_a_finished_run_is_read_back_and_force_computes_it_again(score):
    def shown_and_written(*words):
        done = score("Counts", *BRIEFLY[1:], *words)
        assert done.exit_code == 0, done.output
        return Path("shown").stat().st_size, (folder() / "records.parquet").stat().st_mtime_ns

    first = shown_and_written()
    assert first[0] == 8
    assert shown_and_written() == first
    forced = shown_and_written("--force")
    assert forced[0] == 16
    assert forced[1] > first[1]
    assert shown_and_written("--force", "--no-cache")[0] == 24


def test_a_run_that_was_finished_says_so(score):
    assert ALREADY_FINISHED not in score(*BRIEFLY).stderr
    assert score(*BRIEFLY).stderr.count(ALREADY_FINISHED) == 1
    assert ALREADY_FINISHED not in score(*BRIEFLY, "--force").stderr


def test_an_edited_adapter_is_scored_anew(kapbench):
    adapter = Path("my_adapter.py")
    source = Path(DOTS).read_text(encoding="utf-8")

    def headline(text: str) -> float:
        adapter.write_text(text, encoding="utf-8")
        words = ("--dataset", f"{DOTS}:Dots", *BRIEFLY[1:], "--no-control")
        done = kapbench("run", "--model", "my_adapter.py:Colours", *words)
        assert done.exit_code == 0, done.output
        assert ALREADY_FINISHED not in done.stderr
        cards = map(load_card, find_runs(Path("runs")))
        scores = {
            c.model.revision: c.score("pck-sd-dino", "pck", 0.1, "mean", average="point").value
            for c in cards
        }
        return scores["1-" + sha256(adapter.read_bytes()).hexdigest()[:8]]

    before = headline(source)
    after = headline(source.replace("p.pixels[2::4", "1 + 0 * p.pixels[2::4"))  # in the same second
    assert len(find_runs(Path("runs"))) == 2
    assert after != before


def test_an_adapter_file_that_is_not_python_is_named_with_its_line(kapbench):
    Path("wrong.py").write_text("class Model:\n    def (\n", encoding="utf-8")
    done = kapbench("run", "--model", "wrong.py:Model", "--dataset", f"{DOTS}:Dots")
    assert done.exit_code == 1
    assert "cannot be imported: SyntaxError: invalid syntax (wrong.py, line 2)" in done.stderr
    assert "\n  at:  wrong.py\n" in done.stderr


def test_quiet_prints_the_table_and_nothing_else(score):
    done = score(*BRIEFLY, "-q")
    assert done.stderr == ""
    assert done.stdout.startswith("dots@1")
    assert "run folder:" not in done.stdout
    assert "pictures:" not in done.stdout


CHATTY = """
print("importing")


class Chatty(Colours):
    def __init__(self):
        super().__init__()
        print("loading")

    def encode(self, pictures):
        print("layer 1")
        return super().encode(pictures)

    def prepare(self, picture):
        print("preparing")
"""


def test_what_a_model_prints_is_no_part_of_the_table(kapbench):
    Path("mine.py").write_text(DOTS.read_text() + CHATTY)
    words = ("run", "--dataset", f"{DOTS}:Dots", "--no-control", "--no-cache", "-q")
    silent, chatty = (
        kapbench(*words, "--runs", name, "--model", f"mine.py:{name}", *BRIEFLY[1:])
        for name in ("Colours", "Chatty")
    )
    assert chatty.stdout == silent.stdout
    assert set(chatty.stderr.splitlines()) == {"importing", "loading", "layer 1", "preparing"}


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(score):
    words = ("StopsOnce", "--batch-size", "1", *TWO)
    stopped = score(*words)
    assert stopped.exit_code == 130
    assert "stopped; the same command resumes" in stopped.stderr
    assert find_runs(Path("runs")) == []
    resumed = score(*words)
    assert resumed.exit_code == 0, resumed.output
    score("Colours", *TWO)
    stopped_and_whole = [load_card(found).scores for found in find_runs(Path("runs"))]
    assert stopped_and_whole[0] == stopped_and_whole[1]


@pytest.mark.parametrize("file", ["part-*.parquet", "records.parquet", "run.json"])
def test_a_full_disk_is_said_and_leaves_no_run(score, monkeypatch, file):
    replace = Path.replace

    def full(self, target):
        if Path(target).match(file):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        done = score(*BRIEFLY)
    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert re.search("(finished work|what is finished) is kept", done.stderr)
    assert find_runs(Path("runs")) == []
    assert not list(Path("runs").rglob(".tmp-*"))
    assert score(*BRIEFLY).exit_code == 0


@pytest.fixture
def read_only_cache(monkeypatch):
    """A function after which the folder `cache` is on a disk that may only be read."""

    def make_read_only() -> None:
        def refused(function, is_writing):
            def call(path, *arguments, **named):
                if "cache" in Path(path).parts and is_writing(*arguments, **named):
                    raise OSError(errno.EROFS, "Read-only file system", str(path))
                return function(path, *arguments, **named)

            return call

        def opens_for_writing(mode="r", *_, **__):
            return not set(mode).isdisjoint("wxa+")

        monkeypatch.setattr(Path, "open", refused(Path.open, opens_for_writing))
        for name in ("unlink", "replace"):
            monkeypatch.setattr(Path, name, refused(vars(Path)[name], lambda *_, **__: True))
        monkeypatch.setattr(os, "utime", refused(os.utime, lambda *_, **__: True))

    return make_read_only


def test_a_cache_that_may_only_be_read_is_enough_where_it_holds_all_features(
    score, read_only_cache
):
    assert score(*BRIEFLY).exit_code == 0
    scores = load_card(folder()).scores
    files = {path: path.read_bytes() for path in Path("cache").rglob("*") if path.is_file()}
    shutil.rmtree("runs")
    read_only_cache()
    done = score(*BRIEFLY)
    assert done.exit_code == 0, done.output
    assert load_card(folder()).scores == scores
    assert files == {path: path.read_bytes() for path in Path("cache").rglob("*") if path.is_file()}


def test_a_cache_that_may_only_be_read_and_lacks_features_is_named(score, read_only_cache):
    assert score(*BRIEFLY, "--category", "spot").exit_code == 0
    read_only_cache()
    done = score(*BRIEFLY)
    assert done.exit_code == 1
    assert "The file cannot be written: Read-only file system" in done.stderr
    assert re.search(r"at:  \S*cache/features/", done.stderr)
    assert "fix: Choose a folder that can be written" in done.stderr


def test_a_run_that_failed_before_it_wrote_anything_leaves_nothing(score):
    assert score("BreaksNaN").exit_code == 1
    assert not list(Path("runs").rglob("*"))
    assert score("StopsOnce", "--batch-size", "1").exit_code == 130
    assert list(Path("runs").rglob("sessions.json"))  # will go on


def test_two_runs_into_one_folder(score):
    score(*BRIEFLY)
    place = folder()
    with FileLock(place / ".lock"):
        assert score(*BRIEFLY).exit_code == 0  # a finished run is only read
        done = score(*BRIEFLY, "--force")
    assert done.exit_code == 1
    assert "Another process is writing this run" in done.stderr
    assert str(place) in done.stderr


def test_a_damaged_card_is_refused(score):
    score(*BRIEFLY)
    path = folder() / "run.json"
    path.write_text(path.read_text()[:100])
    done = score(*BRIEFLY)
    assert done.exit_code == 1
    assert "run card cannot be read" in done.stderr


def test_a_card_of_a_newer_kapbench_is_refused(kapbench, score):
    score(*BRIEFLY)
    path = folder() / "run.json"
    content = json.loads(path.read_text()) | {"schema_version": 99}
    path.write_text(json.dumps(content))
    assert "schema 99" in kapbench("compare").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "scale"), "no value"),
        (("-o", "=1"), "no value"),
        (("-o", "scale=big"), "scale=big"),
        (("-o", "scael=1"), "Did you mean scale?"),
        (("--dataset-option", "n_images=few"), "n_images=few"),
        (("--dataset-option", "images=3"), "Did you mean n_images?"),
        (("--category", "spto"), "Did you mean spot?"),
        (("--rule", "kap-cvpr42"), "Did you mean kap-cvpr24"),
        (("--rule", "missing.json"), "missing.json"),
        (("-o", "weights=w.safetensors"), "Unknown option 'weights'"),
        (("--device", "tpu"), "--device"),
        (("--workers", "0"), "--workers"),
        (("--workers", "many"), "--workers"),
        (("--wrokers", "2"), "--workers"),
        (("--sphere-weight", "2"), "-o sphere_weight=VALUE"),
        (("--slurm", "timeout_min=2"), "Add --executor slurm"),
        (("--shards", "2", "--no-cache"), "share one feature cache"),
    ],
)
def test_bad_options_are_named(score, words, message):
    done = score("Colours", *words)
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert find_runs(Path()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dataset", "spair"), "--dataset is given twice"),
        (("--dataset", "spair"), "`kapbench sweep` scores several"),
        (("--model", "lite0"), "--model is given twice"),
        (("--split", "val", "--split", "trn"), "--split is given twice"),
        (("--split", "val", "--split=trn", "--split", "test"), "--split is given 3 times"),
    ],
)
def test_a_value_that_is_given_twice(score, words, message):
    done = score("Colours", *words)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("-o", "scale=big"), "Write -o scale=0.5"),
        (("--dataset-option", "n_images=few"), "Write --dataset-option n_images=16"),
    ],
)
def test_a_wrong_value_is_answered_with_a_right_one(score, words, fix):
    assert f"fix: {fix}\n" in score("Colours", *words).stderr


@pytest.mark.parametrize(
    ("model", "dataset", "message"),
    [
        ("lite1", "{dots}:Dots", "Did you mean lite0"),
        ("dots.py:Colour", "{dots}:Dots", "does not exist"),
        ("{dots}:Colour", "{dots}:Dots", "Did you mean Colours"),
        ("{dots}:NotAModel", "{dots}:Dots", "Class NotAModel has no method encode or match"),
        ("{dots}:NeedsLayers", "{dots}:Dots", "needs a value for its argument 'layers'"),
        ("{dots}:NeedsLayers", "{dots}:Dots", "-o layers=VALUE"),
        ("{dots}:A_MODEL", "{dots}:Dots", "not a class or a function"),
        ("{dots}:BreaksNaN", "{dots}:Dots", "NaN"),
        ("{dots}:Colours", "sapir", "Did you mean spair"),
        ("{dots}:Colours", "spair", "none"),
        ("features:none", "{dots}:Dots", "none"),
    ],
)
def test_bad_models_and_data_sets_are_named(kapbench, model, dataset, message):
    dots = Path(__file__).parents[1] / "support/dots.py"
    spec = [text.format(dots=dots) for text in (model, dataset)]
    done = kapbench(
        "run", "--model", spec[0], "--dataset", spec[1], "--data-root", "none", "--no-control"
    )
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert find_runs(Path()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "litte0"), "Did you mean lite0"),
        (("--model", "lite0", "--rule", "kap-cvpr42"), "Did you mean kap-cvpr24"),
        (("--model", "lite0", "-o", "image=3"), "Unknown option 'image'"),
        (("--model", "lite0", "-o", "sphere_weight=0.2"), "Unknown option 'sphere_weight'"),
        (("--model", "{dots}:NeedsLayers"), "needs a value for its argument 'layers'"),
    ],
)
def test_typos_are_found_before_the_data_set_is_opened(kapbench, words, message):
    dots = Path(__file__).parents[1] / "support/dots.py"
    words = [word.format(dots=dots) for word in words]
    done = kapbench("run", "--dataset", f"{dots}:MustNotOpen", *words)
    assert done.exit_code == 1
    assert message in done.stderr


@pytest.fixture
def rule_file(kapbench):
    """A rule of one's own, in the folder where commands run."""

    def write(**changes) -> str:
        content = load_rule("pck-v1").model_dump(mode="json") | {"name": "mine"} | changes
        Path("mine.json").write_text(json.dumps(content))
        return "mine.json"

    return write


def test_a_rule_file_of_ones_own(score, rule_file):
    done = score("Colours", "--rule", rule_file())
    assert "PCK by mine" in done.stdout
    result = ResultSet.load(folder())
    found = load_card(folder()).score("mine", "pck", 0.1, "mean", average="image")
    assert result.headline("mine.json") == found.value
    with pytest.raises(KapbenchError, match=r"no mine at alpha 0\.3") as caught:
        result.headline("mine.json", 0.3)
    assert "0.1, 0.05, 0.01" in caught.value.fix
    rule_file(closed=True)
    with pytest.raises(KapbenchError, match=r"no mine at alpha 0\.1"):  # of this hash
        result.headline("mine.json")


def test_a_rule_without_the_usual_alpha_is_shown_at_its_first(score, rule_file):
    done = score("Colours", "--rule", rule_file(alphas=[0.3, 0.2]))
    assert done.exit_code == 0, done.output
    shown = load_card(folder()).score("mine", "pck", 0.3, "mean", average="image").value
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("colours")]
    assert f"{100 * shown:.1f}" in row


def test_an_option_of_a_few_values_lists_them(kapbench):
    done = kapbench("run", "--model", "dinov2.vits14", "-o", "facet=keys", "--dataset", "synthetic")
    said = " ".join(done.stderr.split())
    assert done.exit_code == 1
    assert "give one of token, query, key, value" in said
    done = kapbench("run", "--model", "sd.v15", "-o", "timestep=late", "--dataset", "synthetic")
    assert "give a whole number" in " ".join(done.stderr.split())
