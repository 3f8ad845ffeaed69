"""Scoring beside the published protocol, written plainly: every pair alone, every keypoint alone.

    KAPBENCH_DATA=... KAPBENCH_GOLDEN=... python benchmarks/speed/published.py [--category cat]

The plain program below reads the protocol of the Spherical Maps evaluator word for word: a distance
map of 840×840 pixels for each keypoint and threshold, one pair after another. It must print what that
evaluator printed on the reference features, within 1e-6, or its time means nothing and this stops.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from sklearn.metrics import average_precision_score

import kapbench
from kapbench.running.request import RunRequest
from kapbench.running.run import run
from kapbench.scoring.rules import load_rule
from kapbench.types import Pair, View

FRAME, STRIDE, CELLS = 840, 14, 60
ALPHAS = (0.10, 0.05, 0.01)
RULES = ("kap-cvpr24", "pck-sd-dino")


def in_frame(view: View) -> np.ndarray:
    """Keypoints on the square letterbox, [k 2]."""
    width, height = view.size
    scale = FRAME / max(width, height)
    short = round(FRAME * min(width, height) / max(width, height))
    offset = int((FRAME - short) / 2)
    return view.keypoints.xy * scale + ((0, offset) if width >= height else (offset, 0))


def plain_pair(pair: Pair, features: dict[str, np.ndarray]) -> dict[float, Any]:
    """For each alpha: whether each mutual keypoint is met, labels, and scores of the samples."""
    visible = np.flatnonzero(pair.source.keypoints.visible)
    source = torch.from_numpy(features[pair.source.image_id]).float().reshape(-1, CELLS**2).T
    target = torch.from_numpy(features[pair.target.image_id]).float().reshape(-1, CELLS**2).T
    source = torch.nn.functional.normalize(source, dim=1)
    target = torch.nn.functional.normalize(target, dim=1)
    at = np.clip(np.floor(in_frame(pair.source)[visible] / STRIDE), 0, CELLS - 1).astype(int)
    distinct, which = np.unique(at[:, 1] * CELLS + at[:, 0], return_inverse=True)
    maps = (source[distinct] @ target.T).numpy()[which].reshape(-1, CELLS, CELLS)
    scaled = (maps - maps.min()) / (maps.max() - maps.min())
    points = in_frame(pair.target)
    size = pair.size * FRAME / max(pair.target.size)
    found: dict[float, Any] = {alpha: ([], [], []) for alpha in ALPHAS}
    for k, similarity, score in zip(visible, maps, scaled, strict=True):
        if not pair.target.keypoints.visible[k]:
            for _, labels, scores in found.values():
                labels.append(0)
                scores.append(score.max())
            continue
        y, x = np.mgrid[:FRAME, :FRAME].astype(np.float64)
        row, column = np.unravel_index(similarity.argmax(), similarity.shape)
        predicted = np.array([column, row]) * STRIDE + (STRIDE - 1) / 2
        for alpha, (met, labels, scores) in found.items():
            met.append(np.linalg.norm(predicted - points[k]) < alpha * size)
            distance = (x - points[k][0]) ** 2 + (y - points[k][1]) ** 2
            cells = distance[::STRIDE, ::STRIDE]
            inside = cells < (alpha * size) ** 2
            inside[np.unravel_index(cells.argmin(), cells.shape)] = True
            labels += [1, 0]
            scores += [score[inside].max(), score[~inside].max()]
    return found


def plain(pairs: list[Pair], features: dict[str, np.ndarray]) -> tuple[dict[str, Any], list[float]]:
    """KAP and PCK by alpha, and the seconds of each pair."""
    rows: dict[float, Any] = {alpha: ([], [], []) for alpha in ALPHAS}
    seconds = []
    for pair in pairs:
        started = time.perf_counter()
        for alpha, columns in plain_pair(pair, features).items():
            for whole, part in zip(rows[alpha], columns, strict=True):
                whole.extend(part)
        seconds.append(time.perf_counter() - started)
    kap = [float(average_precision_score(labels, scores)) for _, labels, scores in rows.values()]
    pck = [float(np.mean(met)) for met, _, _ in rows.values()]
    return {"kap_float64": kap, "pck_point": pck}, seconds


def check(found: dict[str, Any], printed: dict[str, Any]) -> float:
    """The largest difference; SystemExit where it is over 1e-6."""
    worst = 0.0
    for key, values in found.items():
        differences = np.abs(np.array(values) - np.array(printed[key]))
        worst = max(worst, float(differences.max()))
    if worst > 1e-6:
        raise SystemExit(f"the plain program is {worst:.1e} away from what was published: void")
    return worst


def ours(category: str, golden: Path, root: Path, number: int) -> float:
    """Seconds of a whole run from cached features, table of scores and all."""
    started = time.perf_counter()
    request = RunRequest(
        f"features:{golden / 'features'}",
        "spair",
        tuple(load_rule(name) for name in RULES),
        runs_root=root / f"runs{number}",
        cache_root=root,
        categories=(category,),
        device="cpu",
        intervals=False,
    )
    run(request)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--category", default="cat", choices=["cat", "dog"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if "KAPBENCH_GOLDEN" not in os.environ:
        raise SystemExit("KAPBENCH_GOLDEN names no folder of reference features")
    golden = Path(os.environ["KAPBENCH_GOLDEN"])
    printed = json.loads((golden / f"spherical-maps-2024_{asked.category}.json").read_text())
    pairs = list(kapbench.load_dataset("spair").pairs([asked.category]))
    names = {v.image_id for p in pairs for v in (p.source, p.target)}
    features = {
        n: load_file(golden / "features" / f"{n}.safetensors")["features"] for n in sorted(names)
    }
    scores, each = plain(pairs, features)
    worst = check(scores, printed)
    with tempfile.TemporaryDirectory() as folder:
        ours(asked.category, golden, Path(folder), 0)  # fills the cache
        whole = [ours(asked.category, golden, Path(folder), i + 1) for i in range(asked.repeats)]
    mine, theirs = statistics.median(whole) / len(pairs), statistics.median(each)
    found = {
        "pairs": len(pairs), "worst_difference": worst, "plain_ms_a_pair": theirs * 1e3,
        "kapbench_ms_a_pair": mine * 1e3, "ratio": theirs / mine, "repeats": len(whole),
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    print(f"{asked.category}, {len(pairs)} pairs, {', '.join(RULES)}, 60×60×24, CPU")
    print(f"plain protocol  {theirs * 1e3:8.2f} ms a pair (median); {worst:.0e} from the published")
    print(f"kapbench        {mine * 1e3:8.2f} ms a pair, a whole run (median of {len(whole)})")
    print(f"ratio           {theirs / mine:8.1f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
