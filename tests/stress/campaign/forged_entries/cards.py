"""Forged run cards: what a run states of itself, its data set, its model and its rules."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from campaign.forged_entries.submission import RESULTS, Forgery, Submission
from kapbench_leaderboard.comparison.controls import NAMES


def _set(place: str, *values: Any) -> Forgery:
    """A field, at a place such as "run.dataset.n_pairs", has one of these values."""

    def forge(submission: Submission, rng: Random) -> None:
        *above, name = place.split(".")
        inside: Any = submission.content
        for step in above:
            inside = inside[step]
        inside[name] = rng.choice(values)

    forge.__name__ = place.replace(".", " ")
    return forge


def _plan(submission: Submission, rng: Random) -> None:
    """A second entry of one run, beside the first."""
    plan = "".join(rng.choice("0123456789abcdef") for _ in range(16))
    submission.run["plan_hash"] = plan
    submission.place = (*submission.place[:2], plan)


def _other_revision(submission: Submission, rng: Random) -> None:
    submission.run["model"]["revision"] = "r2"


def _doubled(key: str) -> Forgery:
    """A key twice: a person reads the first, and a parser the last."""

    def forge(submission: Submission, rng: Random) -> None:
        def twice(text: str) -> str:
            at = text.index(f'"{key}": ')
            return f'{text[:at]}"{key}": {json.dumps(rng.choice(["0", "x"]))}, {text[at:]}'

        submission.text = twice

    forge.__name__ = f"two keys {key}"
    return forge


def _named(name: str) -> Forgery:
    """The entry of another model under the name of a control, in the place of that."""

    def forge(submission: Submission, rng: Random) -> None:
        model = submission.run["model"]
        model["name"] = name
        _as_planned(submission)
        folder = name.replace("/", "_").replace(":", "_")
        submission.place = (submission.place[0], folder, submission.run["plan_hash"])

    forge.__name__ = f"named {name!r}"
    return forge


def _as_the_control(submission: Submission, rng: Random) -> None:
    """Name, revision and kind of a control, over the records of another model."""
    kind = rng.choice([("random", "1-seed0"), ("constant", "1")])
    model = {"kind": "pair", "similarity": None, "trained_on": None, "options": {}}
    submission.run["model"] |= model | {"name": kind[0], "revision": kind[1]}
    _as_planned(submission)
    submission.place = (submission.place[0], kind[0], submission.run["plan_hash"])


def _another_seed(submission: Submission, rng: Random) -> None:
    """The control with another seed, of which there are so many that one scores badly."""
    submission.run["model"]["revision"] = f"1-seed{rng.randrange(1, 99)}"
    _as_planned(submission)
    submission.place = (*submission.place[:2], submission.run["plan_hash"])


def _worse_random(submission: Submission, rng: Random) -> None:
    """Rows of the control `random` in which absent keypoints score higher."""

    def change(rows):
        absent = ~rows["target_visible"].astype(bool)
        best = [c for c in rows if c.startswith(("best@", "outside@"))]
        top = rows.groupby("pair_id")[[c for c in rows if c.startswith("map_max@")]].transform(
            "max"
        )
        for name in best:
            rows.loc[absent, name] = top.loc[absent, f"map_max@{name.split('@')[1]}"]
        return rows

    submission.rescored(change)


def _as_planned(submission: Submission) -> None:
    """The plan's hash as kapbench computes it."""
    from kapbench.storage import fingerprint

    model, data = submission.run["model"], submission.run["dataset"]
    submission.run["plan_hash"] = fingerprint(
        2,
        data["name"],
        data["revision"],
        data["split"],
        data["pairs_hash"],
        model["name"],
        model["revision"],
        sorted(model["conditions_on"]),
        model["similarity"],
        model["supervision"] == "keypoints",
        [(rule["name"], rule["hash"]) for rule in submission.run["rules"]],
    )


def _files(name: str, change: Callable[[Path], None]) -> Forgery:
    def forge(submission: Submission, rng: Random) -> None:
        submission.files = change

    forge.__name__ = name
    return forge


def _link(path: Path) -> None:
    elsewhere = path.parents[3] / path.name
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def _linked_records(path: Path) -> None:
    table = path.with_suffix(".parquet")
    elsewhere = path.parents[3] / table.name
    shutil.move(table, elsewhere)
    table.symlink_to(elsewhere)


def _of_another_run(path: Path) -> None:
    (other,) = (RESULTS / "coco.test_animalpose" / "sphere.lite0").glob("*.parquet")
    shutil.copy(other, path.with_suffix(".parquet"))


def _misplaced(submission: Submission, rng: Random) -> None:
    places = ("coco.test_atrw", "lite0"), ("coco.test_animalpose", "lite1")
    submission.place = (*rng.choice(places), submission.place[2])


OF_A_CONTROL = (_another_seed, _worse_random)
_LOOKALIKES = (
    "Random",
    "r\u0430ndom",
    "random ",
    "RANDOM",
    "ra\u200bndom",
    "\uff52andom",
    "Oracle",
)
FAMILIES: dict[str, tuple[Forgery, ...]] = {
    "n_images": (_set("run.dataset.n_images", 4, 10_000, 0, -1),),
    "plan hash": (_plan, _other_revision),
    "versions": (
        _set("run.schema_version", -1, 0),
        _set("schema_version", 0, -3),
        _set("run.provenance.scoring", 0, 3, 99, -1),
        _set("schema_version", "1", 1.0, True),
    ),
    "other fields": (
        _set("run.provenance.seconds", 1e300, 1e9),
        _set("run.provenance.seconds_per_image", 1e300, 1e12),
        _set("run.provenance.started", "yesterday", "9999-01-01T00:00:00+00:00"),
        _set("run.provenance.git_commit", "the best commit", "0" * 39 + "g"),
        _set("run.provenance.kapbench", "the newest", "99999.0"),
        _set("run.model.kind", "oracle", "pair", "best"),
        _set("run.model.similarity", "neg_l2", "cosine", None),
        _set("run.model.window", 3),
        _set("run.model.conditions_on", ["mask"], ["everything"], ["mask", "mask"]),
        _set("run.dataset.limit", 10, 5),
        _set("run.dataset.categories_expected", ["cat", "okapi"], []),
        _set("run.dataset.licence", "none", "MIT"),
        _set("run.label", "best"),
        _set("run.command", "kapbench run --model best"),
        _set("card.seconds_per_image", 1e6, 1e300),
        _set("card.n_parameters", 10**30),
        _set("card.input_px", 10**12),
    ),
    "doubled keys": tuple(map(_doubled, ("value", "supervision", "plan_hash", "sha256"))),
    "controls": (
        _as_the_control,
        *map(_named, NAMES),
        _another_seed,
        _worse_random,
    ),
    "look-alikes": tuple(map(_named, _LOOKALIKES)),
    "places": (
        _misplaced,
        _files("link to the entry", _link),
        _files("link to the records", _linked_records),
        _files("records of another run", _of_another_run),
    ),
}  # fmt: skip
