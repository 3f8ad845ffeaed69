"""The formats of what kapbench keeps: runs, entries, caches, saved maps, weights, downloads."""

import json
from pathlib import Path

import numpy as np
import submissions

from campaign.mutations.annotations import JSON
from campaign.mutations.blocks import any_bytes
from campaign.mutations.containers import parquet, safetensors
from campaign.mutations.format import Format
from campaign.mutations.trees import json_tree, table, toml

SAFETENSORS = (safetensors, safetensors, any_bytes)


def _entry(root: Path) -> None:
    """A finished run, and a submission of it."""
    from kapbench_leaderboard.submit.prepare import prepare

    submissions.made_by("Colours", root / "made").rename(root / "run")
    (root / "card.toml").write_text(submissions.CARD)
    prepare(root / "run", root / "results", root / "card.toml")


def _only(root: Path, pattern: str) -> Path:
    (path,) = root.glob(pattern)
    return path


def _read_run(root: Path) -> str | None:
    from kapbench.running.results import load_card

    card = load_card(root / "run")
    values = np.array([s.value for s in card.scores if s.value is not None], float)
    return "a score that is no number" if np.isinf(values).any() else None


def _read_records(root: Path) -> str | None:
    from kapbench.running.results import load_card
    from kapbench_leaderboard.entries.untrusted_files import read_records

    read_records(root / "run/records.parquet", load_card(root / "run"))
    return None


def _read_own_records(root: Path) -> str | None:
    """With a run card that states the changed file's hash."""
    from kapbench.running.results import load_records
    from kapbench.storage import file_hash

    path = root / "run/run.json"
    card = json.loads(path.read_text())
    card["provenance"]["records_sha256"] = file_hash(root / "run/records.parquet")
    path.write_text(json.dumps(card))
    load_records(root / "run")
    return None


def _read_entry(root: Path) -> str | None:
    from kapbench_leaderboard.entries.untrusted_files import read_entry

    read_entry(_only(root, "results/*/*/*.json"))
    return None


def _check_entry(root: Path) -> str | None:
    from kapbench_leaderboard.submit.check import check

    check(_only(root, "results/*/*/*.json"))
    return None


def _check_hashed(root: Path) -> str | None:
    """As a forger would: the entry states the changed files' hashes."""
    from kapbench.storage import file_hash

    entry = _only(root, "results/*/*/*.json")
    content = json.loads(entry.read_text())
    for key, suffix in (("records", ".parquet"), ("resamples", ".safetensors")):
        path = entry.with_suffix(suffix)
        content[key] |= {"sha256": file_hash(path), "n_bytes": path.stat().st_size}
    content["run"]["provenance"]["records_sha256"] = content["records"]["sha256"]
    entry.write_text(json.dumps(content))
    return _check_entry(root)


def _read_resamples(root: Path) -> str | None:
    from kapbench_leaderboard.comparison.resamples_file import load

    read = load(_only(root, "results/*/*/*.safetensors"))
    values = [read.mean(column).value for column in read.columns]
    return "a mean that is infinite" if np.isinf(np.array(values, float)).any() else None


def _card(root: Path) -> None:
    (root / "card.toml").write_text(submissions.CARD)


def _read_card(root: Path) -> str | None:
    from kapbench_leaderboard.submit.prepare import read_card

    read_card(root / "card.toml")
    return None


def _rule(root: Path) -> None:
    from kapbench.scoring.rules import load_rule

    rule = json.loads(load_rule("kap-cvpr24").model_dump_json()) | {"name": "mine"}
    (root / "mine.json").write_text(json.dumps(rule))


def _read_rule(root: Path) -> str | None:
    from kapbench.scoring.rules import load_rule

    rule = load_rule(str(root / "mine.json"))
    finite = np.isfinite(rule.alphas).all() and min(rule.alphas, default=0) > 0
    return None if finite else "an alpha that is not a positive number"


def _sweep(root: Path) -> None:
    (root / "models.txt").write_text("lite0  # first\nsift\nvit.x layer=2 'weights=a b'\n")


def _read_sweep(root: Path) -> str | None:
    from kapbench.cli.sweep import read_list

    specs = read_list(root / "models.txt")
    return "doubled lines" if len(set(specs)) < len(specs) else None


def _cache(root: Path) -> None:
    from kapbench.features.cache import FeatureCache
    from kapbench.types import FeatureMap, Grid

    values = np.random.default_rng(0).normal(size=(6, 5, 5)).astype(np.float32)
    feature_map = FeatureMap(values, Grid.letterbox((60, 40), 5, 840))
    FeatureCache(root / "features", "encoder").write("ab12", feature_map)
    np.save(root / "written.npy", values)


def _read_cache(root: Path) -> str | None:
    from kapbench.features.cache import FeatureCache

    cache = FeatureCache(root / "features", "encoder")
    if not cache.verify("ab12"):
        return None
    written = np.load(root / "written.npy").reshape(6, -1).T.astype(np.float16)
    same = np.array_equal(cache.read("ab12").cells, written)
    return None if same else "other features under a right hash"


def _saved_maps(root: Path) -> None:
    from kapbench import save_features

    for i in range(2):
        values = np.random.default_rng(i).normal(size=(6, 5, 5)).astype(np.float32)
        save_features(root / "maps", f"thing/{i}", values)
    (root / "maps/kapbench.json").write_text(json.dumps({"grid": "letterbox", "side": 840}))


def _read_saved_maps(root: Path) -> str | None:
    from kapbench import load_model
    from kapbench.types import Picture

    model = load_model(f"features:{root / 'maps'}", device="cpu")
    pixels = np.zeros((40, 60, 3), np.uint8)
    if hasattr(model, "check_plan"):  # a run asks for it before it encodes
        model.check_plan(["thing/0", "thing/1"], [])
    maps = model.encode([Picture(pixels, f"thing/{i}") for i in range(2)])
    finite = all(np.isfinite(np.asarray(m.values, np.float64)).all() for m in maps)
    return None if finite else "features that are not finite"


def _weights(root: Path) -> None:
    from kapbench_baselines.sphere import checkpoint
    from kapbench_baselines.training.card import Card
    from kapbench_baselines.training.trained_weights import save

    of_data = {"categories": ("cat",), "dataset": "toy", "dataset_revision": "r", "split": "trn"}
    of_backbone = {"backbone": "colours", "backbone_revision": "1", "backbone_spec": None}
    card = Card(
        method="sphere",
        n_images=1,
        supervision="viewpoint and boxes",
        seed=0,
        steps=1,
        shape={"channels": 3, "width": 8, "heads": 2, "depth": 1, "token_grid": 3},
        settings={"sphere_weight": 0.2},
        **of_backbone,
        **of_data,
    )
    save(root / "w.safetensors", checkpoint.build(card), card)


def _read_weights(root: Path) -> str | None:
    from kapbench_baselines.sphere.checkpoint import chosen_weight, load

    mapper, card, _ = load(root / "w.safetensors")
    share, _ = chosen_weight(card, None)
    values = [np.asarray(tensor) for tensor in mapper.state_dict().values()]
    if not all(np.isfinite(value).all() for value in values):
        return "weights that are not finite"
    return None if 0 <= share <= 1 else "a sphere weight outside 0 to 1"


def _heads(root: Path) -> None:
    from built import trained_file

    trained_file(root, "dve")


def _read_heads(root: Path) -> str | None:
    from kapbench import load_model

    load_model("dve", device="cpu", weights=str(root / "dve.safetensors"))
    return None


FORMATS = {
    "run.json": Format(_entry, ("run/run.json",), _read_run, JSON, strict=True),
    "records, a stranger's": Format(
        _entry, ("run/records.parquet",), _read_records, (parquet, parquet, any_bytes)
    ),
    "records, own": Format(
        _entry, ("run/records.parquet",), _read_own_records, (parquet, any_bytes)
    ),
    "entry JSON": Format(_entry, ("results/*/*/*.json",), _read_entry, JSON, strict=True),
    "entry, checked": Format(_entry, ("results/*/*/*.json",), _check_entry, (json_tree,)),
    "entry's records, checked": Format(
        _entry, ("results/*/*/*.parquet",), _check_hashed, (parquet, any_bytes)
    ),
    "entry's resamples, checked": Format(
        _entry, ("results/*/*/*.safetensors",), _check_hashed, SAFETENSORS
    ),
    "resamples": Format(_entry, ("results/*/*/*.safetensors",), _read_resamples, SAFETENSORS),
    "card.toml": Format(_card, ("card.toml",), _read_card, (toml, toml, any_bytes)),
    "rule JSON": Format(_rule, ("mine.json",), _read_rule, JSON, strict=True),
    "sweep list": Format(_sweep, ("models.txt",), _read_sweep, (table, any_bytes)),
    "feature cache": Format(
        _cache, ("features/encoder/ab/ab12.safetensors",), _read_cache, SAFETENSORS
    ),
    "saved maps": Format(_saved_maps, ("maps/thing/0.safetensors",), _read_saved_maps, SAFETENSORS),
    "saved maps' settings": Format(
        _saved_maps, ("maps/kapbench.json",), _read_saved_maps, JSON, strict=True
    ),
    "sphere's weights": Format(_weights, ("w.safetensors",), _read_weights, SAFETENSORS),
    "dve's weights": Format(_heads, ("dve.safetensors",), _read_heads, SAFETENSORS),
}
