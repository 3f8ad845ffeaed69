"""Commands that are killed, each with the state that it starts from."""

import json
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tiny_datasets as tiny
import tiny_spair
from submissions import CARD, DOTS

Prepare = Callable[[Path], object]


def kapbench(*words: str) -> int:
    """The status of `kapbench WORDS` in this process."""
    from kapbench.cli import main

    try:
        main(list(words))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    Args:
        prepare: Makes the state that the command starts from, in the current folder.
        act: The command; its status.
        lasting: Patterns of files of that state which must never be lost or half-written.
        serves: A file below the folder that a server on this machine has; SERVED in the
            environment is its address.
    """

    prepare: Prepare
    act: Callable[[], int]
    lasting: tuple[str, ...] = ()
    serves: str | None = None


def _must(status: int) -> None:
    if status != 0:
        raise RuntimeError(f"a command of the preparation ended with status {status}")


def _run(model: str = "Colours", *words: str) -> int:
    own = ("--model", f"dots.py:{model}", "--dataset", "dots.py:Dots", "--no-control", "-q")
    return kapbench("run", *own, "--cache", "cache", "--rule", "kap-cvpr24", *words)


def _adapter(folder: Path) -> None:
    (folder / "dots.py").write_text(DOTS.read_text())


def _one_run(folder: Path) -> None:
    _adapter(folder)
    _must(_run())


def _card_and_run(folder: Path) -> None:
    _one_run(folder)
    (folder / "card.toml").write_text(CARD)
    for path in folder.glob("runs/**/run.json"):  # as of a clean clone
        card = json.loads(path.read_text())
        card["provenance"]["git_dirty"] = False
        path.write_text(json.dumps(card))


def _prepare_entry(model: str = "colours") -> int:
    return kapbench("submit", "prepare", model, "--to", "results", "--card", "card.toml")


def _results(folder: Path) -> None:
    """Two entries, and a site of the first alone."""
    _card_and_run(folder)
    _must(_prepare_entry())
    _must(kapbench("site", "--results", "results", "-o", "site"))
    _must(_run("Greys"))
    _card_and_run(folder)
    _must(_prepare_entry("greys"))


def _archive(folder: Path) -> None:
    tiny_spair.make(folder / "made", n_images=2)
    with tarfile.open(folder / "spair.tar.gz", "w:gz") as archive:
        archive.add(folder / "made/SPair-71k", "SPair-71k")


def _archive_and_list(folder: Path) -> None:
    tiny.tss(folder / "made")
    path = folder / "made/TSS_CVPR2016/test_pairs_tss.csv"
    path.rename(folder / path.name)
    with tarfile.open(folder / "tss.tar.gz", "w:gz") as archive:
        archive.add(folder / "made/TSS_CVPR2016", "TSS_CVPR2016")


def _fetch() -> int:
    return kapbench("fetch", "spair", "--data-root", "data", "--url", os.environ["SERVED"])


def _fetch_with_list() -> int:
    own = ("--archive", "tss.tar.gz", "--file", "test_pairs_tss.csv")
    return kapbench("fetch", "tss", "--data-root", "data", *own)


def _export(folder: Path) -> None:
    from campaign.mutations.exports import FORMATS

    FORMATS["CVAT"].build(folder)
    _must(kapbench("convert", "cvat", "annotations.xml", "--images", "photos", "-o", "mine.json"))
    text = (folder / "annotations.xml").read_text()
    (folder / "annotations.xml").write_text(text.replace("20.50", "21.50"))


def _convert() -> int:
    words = ("annotations.xml", "--images", "photos", "-o", "mine.json", "--force")
    return kapbench("convert", "cvat", *words)


def _render() -> int:
    """A split of fewer images than any that is shipped."""
    from kapbench.datasets.synthetic.rendered_split import open_split
    from kapbench.datasets.synthetic.scene_plan import Settings

    few = Settings("test", marking=0.0, seed=0, instances=2, views=1, pairs=1)
    return int(not open_split(few).is_dir())


def _train(*words: str) -> int:
    own = ("--dataset", "dots.py:Dots", "--backbone", "dots.py:Colours", "--category", "dot")
    sizes = ("--steps", "3", "--batch", "2", "--validate-every", "0", "--device", "cpu")
    return kapbench("train", "dve", *own, *sizes, "--out", "out", "--cache", "cache", *words)


SCENARIOS = {
    "run": Scenario(_adapter, _run),
    "run of a second model": Scenario(
        _one_run, lambda: _run("Greys"), ("runs/**/run.json", "runs/**/records.parquet")
    ),
    "run again with --force": Scenario(_one_run, lambda: _run("Colours", "--force")),
    "cache evict": Scenario(
        _one_run,
        lambda: kapbench("cache", "evict", "--limit", "0", "--cache", "cache"),
        ("runs/**/run.json", "runs/**/records.parquet"),
    ),
    "fetch": Scenario(_archive, _fetch, serves="spair.tar.gz"),
    "fetch with a list": Scenario(_archive_and_list, _fetch_with_list, ("*.gz", "*.csv")),
    "convert": Scenario(_export, _convert, ("mine.json", "photos/*")),
    "site": Scenario(
        _results,
        lambda: kapbench("site", "--results", "results", "-o", "site"),
        ("site/index.html", "site/static/*", "results/**/*.*"),
    ),
    "submit prepare": Scenario(_card_and_run, _prepare_entry, ("runs/**/run.json",)),
    "render": Scenario(_adapter, _render),
    "train": Scenario(_adapter, _train),
}
IMPORTS = ("kapbench.cli.main", "kapbench.cli.run", "kapbench.running.run", "torch", "pandas")


def warm() -> None:
    """Imports what the commands import, so that forked ones start at once; starts no thread."""
    import importlib

    sys.dont_write_bytecode = True
    for name in IMPORTS:
        importlib.import_module(name)
    from kapbench.running import plan

    plan.CHUNK_PAIRS = 10  # several chunks
