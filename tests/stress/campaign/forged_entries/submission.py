"""An accepted result as it is before it is written, so that any part of it can be changed."""

import copy
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save

from kapbench.storage import file_hash, fingerprint

RESULTS = Path(__file__).parents[4] / "leaderboard" / "results"


@dataclass
class Submission:
    """`content`: of the .json. `place`: data set, model and id of the run, as paths have them.

    `text`: a change of the .json's text after everything else; `files`: a change of what lies there.
    """

    content: dict[str, Any]
    records: pd.DataFrame
    arrays: dict[str, np.ndarray]
    about: dict[str, Any]
    place: tuple[str, str, str]
    text: Callable[[str], str] = lambda text: text
    files: Callable[[Path], None] = lambda _: None
    records_are_new: bool = False
    keeps_scores: bool = False
    categories: list[str] = field(default_factory=list)

    @classmethod
    def honest(cls, dataset: str, model: str) -> "Submission":
        return copy.deepcopy(_honest(dataset, model))

    @property
    def run(self) -> dict[str, Any]:
        return self.content["run"]

    def rescored(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        """Changes the records, and what a forger computes from them."""
        self.records = change(self.records)
        self.records_are_new = True

    def write(self, results: Path) -> Path:
        """Writes the files, each hash as the file is; returns the path of the .json."""
        dataset, model, run_id = self.place
        path = results / dataset / model / f"{run_id}.json"
        path.parent.mkdir(parents=True)
        table = path.with_suffix(".parquet")
        _as_strings(self.records).to_parquet(table, index=False)
        digest = file_hash(table)
        self.content["records"] = {"sha256": digest, "n_bytes": table.stat().st_size, "url": None}
        self.run["provenance"]["records_sha256"] = digest
        if self.records_are_new:
            self._score_again(table)
        sampled = path.with_suffix(".safetensors")
        sampled.write_bytes(save(self.arrays, {"about": json.dumps(self.about)}))
        self.content["resamples"] = {
            "sha256": file_hash(sampled),
            "n_bytes": sampled.stat().st_size,
            "url": None,
        }
        path.write_text(self.text(json.dumps(self.content)), "utf-8", "surrogatepass")
        self.files(path)
        return path

    def _score_again(self, table: Path) -> None:
        from kapbench.running.records_file import StoredRecords
        from kapbench.running.results import RunCard
        from kapbench.scoring.bootstrap import Resampling
        from kapbench.scoring.score_table import score_table
        from kapbench_leaderboard.comparison import resamples, resamples_file

        data = self.run["dataset"]
        records = StoredRecords(table, data["categories"]).table()
        data["n_pairs"] = records["pair_id"].nunique()
        data["pairs_hash"] = fingerprint(records["pair_id"].astype(str).unique().tolist())
        run = RunCard.model_validate(self.run)
        if not self.keeps_scores:
            rules = [run.rule(card.name) for card in run.rules]
            scores = score_table(
                records,
                rules,
                supervised=run.model.supervised,
                window=run.model.window,
                resampling=Resampling.of(records),
                scoring=run.provenance.scoring,
            )
            self.run["scores"] = [score.model_dump() for score in scores]
        again = resamples.make(records, run)
        self.about |= {"key": again.key, "categories": list(again.categories)}
        for name in again.columns:
            for part, values in resamples_file.parts(again, name).items():
                self.arrays[f"{name}/{part}"] = np.ascontiguousarray(values)


Forgery = Callable[[Submission, Random], None]


@functools.cache
def _honest(dataset: str, model: str) -> Submission:
    (path,) = (RESULTS / dataset / model).glob("*.json")
    with safe_open(path.with_suffix(".safetensors"), "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["about"])
    return Submission(
        json.loads(path.read_text(encoding="utf-8")),
        pd.read_parquet(path.with_suffix(".parquet")),
        arrays,
        about,
        (dataset, model, path.stem),
    )


def _as_strings(records: pd.DataFrame) -> pd.DataFrame:
    texts: Mapping[str, pd.Series] = {
        name: values.astype(str) for name, values in records.items() if values.dtype == "category"
    }
    return records.assign(**texts)
