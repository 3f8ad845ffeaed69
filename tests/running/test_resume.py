"""A run that is stopped anywhere goes on to the same bytes."""

import errno
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny_world
from filelock import FileLock
from tiny_world import TinyDataset, TinyEncoder, TinyPairModel, evaluate

from kapbench.errors import KapbenchError
from kapbench.features.cache import SIGNATURE
from kapbench.progress import Progress
from kapbench.running.local_executors import Processes
from kapbench.running.run_clock import SESSIONS


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", tiny_world.CHUNK_PAIRS)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> bytes:
    """Records of a run that nothing stopped, all in one chunk."""
    done = evaluate(tmp_path_factory.mktemp("whole"))
    return (done.folder / "records.parquet").read_bytes()


def records_of(done) -> bytes:
    return (done.folder / "records.parquet").read_bytes()


def nothing_left_over(root: Path) -> None:
    assert not list(root.rglob(".tmp-*"))
    assert not list(root.rglob("parts"))


def test_chunks_are_irrelevant(tmp_path, monkeypatch, expected):
    for size in (1, 7):
        monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", size)
        assert records_of(evaluate(tmp_path / str(size))) == expected


@pytest.mark.slow
def test_workers_are_irrelevant(tmp_path, expected):
    assert records_of(evaluate(tmp_path, workers=2)) == expected


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_are_irrelevant(tmp_path, expected, batch_size):
    assert records_of(evaluate(tmp_path, batch_size=batch_size)) == expected


class Stop(BaseException):
    pass


def stop_at(monkeypatch, n: int, error: BaseException) -> None:
    """The n-th file to be moved into place is not; clock, signature and owner do not count."""
    replace, left = Path.replace, [n]

    def replace_or_stop(self, target):
        if Path(target).name not in (SESSIONS, SIGNATURE, ".lock.owner"):
            if not left[0]:
                raise error
            left[0] -= 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_or_stop)


# 8 images, 4 chunks, the records, the card: fourteen files are moved into place.
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 11, 12, 13])
@pytest.mark.parametrize("error", [Stop(), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space")])
def test_stopped_at_any_file(tmp_path, expected, n, error):
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, n, error)
        shown = KapbenchError if isinstance(error, OSError) else type(error)
        with pytest.raises(shown) as caught:
            evaluate(tmp_path)
    if isinstance(error, OSError):
        assert "No space" in str(caught.value)
        assert "finished" in caught.value.fix
        assert "kept" in caught.value.fix
    assert not list(tmp_path.rglob(".tmp-*"))
    assert not list(tmp_path.rglob("run.json"))
    model = TinyEncoder()
    done = evaluate(tmp_path, model)
    assert records_of(done) == expected
    assert len(model.seen) == 8 - min(n, 8)
    assert done.resumed == (n > 8)
    nothing_left_over(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["encoded", "3 chunks", "card half-written"])
def test_killed(tmp_path, expected, moment):
    command = [sys.executable, tiny_world.__file__, str(tmp_path), moment]
    assert subprocess.run(command, check=False).returncode == 9
    assert not list(tmp_path.rglob("run.json"))
    done = evaluate(tmp_path)
    assert records_of(done) == expected
    nothing_left_over(tmp_path / "runs")


def test_chunk_files_of_another_cut_are_not_used(tmp_path, monkeypatch, expected):
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 11, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path)
    monkeypatch.setattr("kapbench.running.plan.CHUNK_PAIRS", 5)
    assert records_of(evaluate(tmp_path)) == expected


def test_a_chunk_file_of_other_columns_is_scored_again_and_reported(tmp_path, expected):
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 12, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path)
    chunk = sorted(tmp_path.rglob("part-*.parquet"))[1]
    rows = pd.read_parquet(chunk)
    content = rows.drop(columns=[c for c in rows if c.startswith(("extent", "on_object"))])
    content = content.to_parquet(index=False)
    stem = chunk.stem.rpartition("-")[0]
    older = chunk.with_name(f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}.parquet")
    chunk.unlink()
    older.write_bytes(content)
    messages: list[str] = []
    done = evaluate(tmp_path, progress=Progress(log=messages.append))
    assert records_of(done) == expected
    what = "has the columns of another version of kapbench"
    assert messages == [f"A chunk file {what}; its pairs are scored again: {older}"]


@pytest.mark.parametrize("damage", [b"", b"PAR1", None])
def test_a_damaged_chunk_file_is_scored_again_and_reported(tmp_path, expected, damage):
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 12, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path)
    part = sorted(tmp_path.rglob("part-*.parquet"))[1]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(bytes(content) if damage is None else damage)
    messages: list[str] = []
    done = evaluate(tmp_path, progress=Progress(log=messages.append))
    assert records_of(done) == expected
    assert messages == [f"A chunk file is damaged; its pairs are scored again: {part}"]


def test_a_finished_run_is_read_back_without_the_model(tmp_path):
    first = evaluate(tmp_path)
    model, dataset = TinyEncoder(), TinyDataset()
    again = evaluate(tmp_path, model, dataset)
    assert model.seen == dataset.reads == []
    assert again.resumed
    assert again.card == first.card
    pd.testing.assert_frame_equal(again.records, first.records)


def test_force_does_it_again(tmp_path, expected):
    first = evaluate(tmp_path)
    (first.folder / "records.parquet").write_bytes(b"broken")
    with pytest.raises(KapbenchError, match="changed after the run") as caught:
        evaluate(tmp_path)
    assert "--force" in caught.value.fix
    again = evaluate(tmp_path, force=True)
    assert again.folder == first.folder
    assert not again.resumed
    assert records_of(again) == expected


def test_each_image_is_encoded_once(tmp_path):
    model = TinyEncoder()
    evaluate(tmp_path, model)
    assert sorted(model.seen) == [f"{c}/{i}" for c in ("cat", "dog") for i in range(4)]
    # Other rules are another run of the same features.
    evaluate(tmp_path, model, rules=tiny_world.RULES[:1])
    assert len(model.seen) == 8


def test_without_a_cache_folder_features_last_as_long_as_the_run(tmp_path, expected):
    assert records_of(evaluate(tmp_path, cache_root=None)) == expected
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["byte", "truncated", "empty"])
def test_a_damaged_cache_file_is_encoded_again_and_said(tmp_path, expected, damage):
    evaluate(tmp_path)
    path = sorted((tmp_path / "cache").rglob("*.safetensors"))[3]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(
        {"byte": bytes(content), "truncated": bytes(content[:-9]), "empty": b""}[damage]
    )
    shutil.rmtree(tmp_path / "runs")
    model, messages = TinyEncoder(), []
    done = evaluate(tmp_path, model, progress=Progress(log=messages.append))
    assert len(model.seen) == 1
    assert messages == [f"the cache file is damaged, the image is encoded again: {path}"]
    assert records_of(done) == expected


def test_a_run_that_another_process_writes_is_refused(tmp_path):
    folder = evaluate(tmp_path).folder
    program = (
        "import sys, filelock\n"
        "with filelock.FileLock(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(folder / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(KapbenchError, match="Another process") as caught:
            evaluate(tmp_path, force=True)
        assert str(folder) in str(caught.value)
        assert (folder / "run.json").exists()
        other.stdin.close()
    evaluate(tmp_path, force=True)


def test_the_same_process_is_refused_too_and_the_lock_is_given_back(tmp_path):
    folder = evaluate(tmp_path).folder
    with FileLock(folder / ".lock"):
        with pytest.raises(KapbenchError, match="Another process"):
            evaluate(tmp_path, force=True)
        assert evaluate(tmp_path).resumed  # a finished run is only read
    assert not evaluate(tmp_path, force=True).resumed


def test_a_forced_run_that_is_stopped_leaves_the_finished_one(tmp_path):
    whole = records_of(evaluate(tmp_path))
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 1, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path, force=True)
    assert records_of(evaluate(tmp_path)) == whole
    assert records_of(evaluate(tmp_path, force=True)) == whole


def test_chunks_that_a_killed_run_left_beside_its_result_are_removed(tmp_path):
    folder = evaluate(tmp_path).folder
    (folder / "parts" / "0000").mkdir(parents=True)
    (folder / "parts" / "0000" / "part-00000-x.parquet").write_bytes(b"x")
    (folder / "sessions.json").write_text("{}")
    assert evaluate(tmp_path).resumed
    assert {path.name for path in folder.iterdir()} == {".lock", "records.parquet", "run.json"}


@pytest.mark.parametrize("seconds", ["-5", "NaN", "1e400", '"x"', "null", "[[[[", "9" * 5000])
def test_a_clock_that_cannot_be_starts_anew(tmp_path, seconds):
    folder = evaluate(tmp_path).folder
    (folder / "run.json").unlink()
    started = "2020-01-01T00:00:00+00:00"
    (folder / "sessions.json").write_text(f'{{"started": "{started}", "seconds": {seconds}}}')
    provenance = evaluate(tmp_path).card.provenance
    assert 0 <= provenance.seconds < 600
    assert provenance.started > started


def test_a_place_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(KapbenchError, match="cannot be written") as caught:
        evaluate(tmp_path)
    assert "runs" in str(caught.value)


def test_a_pair_model_resumes_too(tmp_path):
    whole = records_of(evaluate(tmp_path / "whole", TinyPairModel()))
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 2, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path / "cut", TinyPairModel())
    model = TinyPairModel()
    done = evaluate(tmp_path / "cut", model)
    assert records_of(done) == whole
    assert len(model.asked) == 24 - 12  # two chunks of two targets, three pairs each, are kept


def test_a_dead_worker_is_a_users_error():
    (outcome,) = Processes(1).run(os._exit, [3])
    with pytest.raises(KapbenchError, match="worker process died"):
        outcome.value()


@pytest.mark.slow
def test_a_script_that_starts_workers_when_it_is_imported_is_told_what_is_wrong(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from kapbench.running.local_executors import Processes\n"
        "[outcome.value() for outcome in Processes(1).run(abs, [1])]\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    # Python's own thread may print an error of a closed pipe after it.
    assert 'below `if __name__ == "__main__":`' in done.stderr


HOUR = "2030-01-01T{:02d}:00:00+00:00"


@pytest.fixture
def time_flies(monkeypatch):
    """Every look at the clock takes ten seconds; the hours of `now` are counted."""
    seconds, hours = itertools.count(0, 10), itertools.count()
    monkeypatch.setattr("kapbench.running.run_clock.monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr("kapbench.running.run_clock.now", lambda: HOUR.format(next(hours)))


def test_a_resumed_run_tells_the_time_of_all_its_sessions(tmp_path, time_flies):
    whole = evaluate(tmp_path / "whole").card.provenance
    assert whole.started == HOUR.format(0)
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patched:
            stop_at(patched, 1, Stop())
            with pytest.raises(Stop):
                evaluate(tmp_path / "cut")
    done = evaluate(tmp_path / "cut")
    assert done.card.provenance.started == HOUR.format(1)
    assert done.card.provenance.seconds > whole.seconds
    assert not list(tmp_path.rglob(SESSIONS))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"started": 1, "seconds": "x"}'])
def test_a_damaged_clock_only_forgets_time(tmp_path, expected, content):
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 1, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path)
    (kept,) = tmp_path.rglob(SESSIONS)
    kept.write_text(content)
    assert records_of(evaluate(tmp_path)) == expected


def test_force_begins_a_new_time(tmp_path, time_flies):
    with pytest.MonkeyPatch.context() as patched:
        stop_at(patched, 1, Stop())
        with pytest.raises(Stop):
            evaluate(tmp_path)
    assert evaluate(tmp_path, force=True).card.provenance.started == HOUR.format(1)


@pytest.mark.parametrize(
    ("model", "n_messages"),
    [pytest.param(TinyEncoder, 0, marks=pytest.mark.slow), (TinyPairModel, 1)],
)
def test_workers_that_have_no_effect_are_reported(tmp_path, model, n_messages):
    heard: list[str] = []
    evaluate(tmp_path, model(), workers=2, progress=Progress(log=heard.append))
    assert len([line for line in heard if "--workers 2 has no effect" in line]) == n_messages


@pytest.mark.slow
def test_a_users_error_comes_back_from_a_worker(tmp_path, expected):
    folder = evaluate(tmp_path).folder
    (folder / "run.json").unlink()
    (folder / "parts").write_text("in the way")
    with pytest.raises(KapbenchError, match="cannot be written") as caught:
        evaluate(tmp_path, workers=2)
    assert "part-0000" in str(caught.value)
    (folder / "parts").unlink()
    assert records_of(evaluate(tmp_path)) == expected
