"""Scoring, compared with a plain implementation of the published protocol.

    KAPBENCH_DATA=... KAPBENCH_GOLDEN=... python benchmarks/speed/published.py [--category cat]

The plain implementation follows the protocol of the Spherical Maps evaluator literally: one pair after
another, one keypoint after another, with a distance map of 840×840 pixels for each keypoint and
threshold. The benchmark stops unless it prints what that evaluator printed on the reference features,
within 1e-6, because its time would mean nothing otherwise.
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
from kapbench.types import Pair, View

FRAME, STRIDE, CELLS = 840, 14, 60
ALPHAS = (0.10, 0.05, 0.01)
RULES = ("kap-cvpr24", "pck-sd-dino")


def in_frame(view: View) -> np.ndarray:
    """Keypoints in pixels of the square letterbox, [k 2]."""
    width, height = view.size
    scale = FRAME / max(width, height)
    short = round(FRAME * min(width, height) / max(width, height))
    offset = int((FRAME - short) / 2)
    return view.keypoints.xy * scale + ((0, offset) if width >= height else (offset, 0))


def plain_pair(pair: Pair, features: dict[str, np.ndarray]) -> dict[float, Any]:
    """For each alpha: whether each mutually visible keypoint is correct; samples' labels and scores."""
    visible = np.flatnonzero(pair.source.keypoints.visible)
    source = torch.from_numpy(features[pair.source.image_id]).float().reshape(-1, CELLS**2).T
    target = torch.from_numpy(features[pair.target.image_id]).float().reshape(-1, CELLS**2).T
    source = torch.nn.functional.normalize(source, dim=1)
    target = torch.nn.functional.normalize(target, dim=1)
    source_cell = np.clip(np.floor(in_frame(pair.source)[visible] / STRIDE), 0, CELLS - 1).astype(
        int
    )
    distinct, row_of_keypoint = np.unique(
        source_cell[:, 1] * CELLS + source_cell[:, 0], return_inverse=True
    )
    maps = (source[distinct] @ target.T).numpy()[row_of_keypoint].reshape(-1, CELLS, CELLS)
    scaled = (maps - maps.min()) / (maps.max() - maps.min())
    points = in_frame(pair.target)
    size = pair.size * FRAME / max(pair.target.size)
    results: dict[float, Any] = {alpha: ([], [], []) for alpha in ALPHAS}
    for k, similarity, score in zip(visible, maps, scaled, strict=True):
        if not pair.target.keypoints.visible[k]:
            for _, labels, scores in results.values():
                labels.append(0)
                scores.append(score.max())
            continue
        y, x = np.mgrid[:FRAME, :FRAME].astype(np.float64)
        row, column = np.unravel_index(similarity.argmax(), similarity.shape)
        predicted = np.array([column, row]) * STRIDE + (STRIDE - 1) / 2
        for alpha, (correct, labels, scores) in results.items():
            correct.append(np.linalg.norm(predicted - points[k]) < alpha * size)
            distance = (x - points[k][0]) ** 2 + (y - points[k][1]) ** 2
            cells = distance[::STRIDE, ::STRIDE]
            inside = cells < (alpha * size) ** 2
            inside[np.unravel_index(cells.argmin(), cells.shape)] = True
            labels += [1, 0]
            scores += [score[inside].max(), score[~inside].max()]
    return results


def plain(pairs: list[Pair], features: dict[str, np.ndarray]) -> tuple[dict[str, Any], list[float]]:
    """KAP and PCK by alpha, and the seconds of each pair."""
    rows: dict[float, Any] = {alpha: ([], [], []) for alpha in ALPHAS}
    seconds = []
    for pair in pairs:
        started = time.perf_counter()
        for alpha, columns in plain_pair(pair, features).items():
            for column_of_all, column_of_pair in zip(rows[alpha], columns, strict=True):
                column_of_all.extend(column_of_pair)
        seconds.append(time.perf_counter() - started)
    kap = [float(average_precision_score(labels, scores)) for _, labels, scores in rows.values()]
    pck = [float(np.mean(correct)) for correct, _, _ in rows.values()]
    return {"kap_float64": kap, "pck_point": pck}, seconds


def check(scores: dict[str, Any], printed: dict[str, Any]) -> float:
    """The largest difference; SystemExit if it is above 1e-6."""
    worst = 0.0
    for key, values in scores.items():
        differences = np.abs(np.array(values) - np.array(printed[key]))
        worst = max(worst, float(differences.max()))
    if worst > 1e-6:
        raise SystemExit(
            f"The plain implementation differs from the published values by {worst:.1e}."
        )
    return worst


def kapbench_seconds(category: str, golden: Path, root: Path, number: int) -> float:
    """Seconds of a whole run from cached features, including the table of scores."""
    started = time.perf_counter()
    kapbench.evaluate(
        f"features:{golden / 'features'}",
        "spair",
        rule=RULES,
        categories=[category],
        device="cpu",
        runs=root / f"runs{number}",
        cache=root,
        intervals=False,
    )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--category", default="cat", choices=["cat", "dog"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if "KAPBENCH_GOLDEN" not in os.environ:
        raise SystemExit("Set KAPBENCH_GOLDEN to the folder of reference features.")
    golden = Path(os.environ["KAPBENCH_GOLDEN"])
    printed = json.loads((golden / f"spherical-maps-2024_{arguments.category}.json").read_text())
    pairs = list(kapbench.load_dataset("spair").pairs([arguments.category]))
    names = {v.image_id for p in pairs for v in (p.source, p.target)}
    features = {
        n: load_file(golden / "features" / f"{n}.safetensors")["features"] for n in sorted(names)
    }
    scores, plain_seconds = plain(pairs, features)
    worst = check(scores, printed)
    with tempfile.TemporaryDirectory() as folder:
        kapbench_seconds(arguments.category, golden, Path(folder), 0)  # fills the cache
        run_seconds = [
            kapbench_seconds(arguments.category, golden, Path(folder), i + 1)
            for i in range(arguments.repeats)
        ]
    kapbench_median, plain_median = (
        statistics.median(run_seconds) / len(pairs),
        statistics.median(plain_seconds),
    )
    result = {
        "pairs": len(pairs),
        "worst_difference": worst,
        "plain_ms_a_pair": plain_median * 1e3,
        "kapbench_ms_a_pair": kapbench_median * 1e3,
        "ratio": plain_median / kapbench_median,
        "repeats": len(run_seconds),
        "threads": torch.get_num_threads(),
    }
    print(f"{arguments.category}, {len(pairs)} pairs, {', '.join(RULES)}, 60×60×24, CPU")
    print(
        f"plain           {plain_median * 1e3:8.2f} ms per pair (median), "
        f"within {worst:.0e} of the published scores"
    )
    print(
        f"kapbench        {kapbench_median * 1e3:8.2f} ms per pair, a complete run "
        f"(median of {len(run_seconds)})"
    )
    print(f"ratio           {plain_median / kapbench_median:8.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
