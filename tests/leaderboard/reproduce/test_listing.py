"""`kapbench reproduce --list`."""

import json


def test_what_can_be_repeated_here_is_marked(reproduce, entry, published_file):
    path = published_file({"0.1": 50.0}, categories={"cat": 1.0}, parts={"hub": "nobody/nothing"})
    shown = reproduce("--list", "--published", path)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80
    lines = [line for line in shown.stdout.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in lines] == ["paper.spair.row", "spair/constant"]
    assert lines[0].endswith("no weights")
    assert lines[1].endswith("ready: 2 of 3 categories")
    assert "2 rows listed; 1 can be repeated on this machine now" in shown.stdout


def test_weights_of_the_hub_are_found_in_its_cache(
    reproduce, published_file, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "hub" / "models--nobody--nothing" / "snapshots" / "1").mkdir(parents=True)
    path = published_file({"0.1": 50.0}, categories={"cat": 1.0}, parts={"hub": "nobody/nothing"})
    assert "ready: 2 of 3 categories" in reproduce("--list", "--published", path).stdout
    path = published_file({"0.1": 50.0}, parts={"hub": "nobody/nothing"})  # averages alone
    assert "  only 2 of 3 categories" in reproduce("--list", "--published", path).stdout


def test_filters_and_rows_that_nothing_repeats(reproduce):
    shown = reproduce("--list", "--dataset", "soco", "--model", "dino-b/16", "--all")
    assert "omniprobe.intra.dino-b16" in shown.stdout
    assert "omniprobe.intra-soft.dino-b16" in shown.stdout
    assert "trained linear probes are not released" in " ".join(shown.stdout.split())
    assert "no rule" not in shown.stdout  # a soft-argmax is one by its name
    assert "sd-dino" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    lines = json.loads(reproduce("--list", "dinov2-b14", "--format", "json").stdout)
    assert "sd-dino.spair.dinov2-b14" in {line["name"] for line in lines}
    assert all(line["repeated"] for line in lines)
    [line] = [line for line in lines if line["name"] == "omniprobe.intra.dinov2-b14"]
    assert line["how"]["model"] == "dinov2.vitb14"
    assert line["how"]["options"] == {"padding": "corner-white", "image_px": 798}
    assert line["how"]["ways"] == [
        {"rule": "pck-omniprobe-soco", "average": "image", "over": "mean"}
    ]
