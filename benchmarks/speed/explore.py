"""Milliseconds a click, size and fidelity of an explore page of 12 images, in headless Chromium.

    python benchmarks/speed/explore.py [--model lite0 --model sphere] [--images 12]

The images are rendered: those of one category of `synthetic`. Each click chooses another point. Two
times are printed, as quartiles: of the page's script, which computes and draws everything, and from
the click to the next painted frame, which the browser rounds to 8 ms. The load of the machine stands
beside them, since other work adds to both. The script exits with status 1 if the median of the first
is 50 ms or more, if 8 images would take 25 MB or more, or if a page's fidelity is low.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from kapbench.loading import load_dataset, load_model
from kapbench.progress import Progress
from kapbench_leaderboard.explore.features import check_encoder
from kapbench_leaderboard.explore.gather import from_pairs
from kapbench_leaderboard.explore.write_page import ExploreSummary, write_page
from kapbench_leaderboard.figures.sources import Sources

MOST_MS, MOST_BYTES, FEW_IMAGES = 50, 25_000_000, 8
N_CLICKS, WARM_UP = 24, 4
OBSERVE = """() => {
    window.painted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.name === "click") window.painted = entry.duration;
        }
    }).observe({ type: "event", durationThreshold: 16 });
}"""


def written(model: str, n_images: int, folder: Path) -> ExploreSummary:
    """A page of the first pairs of cars that show so many images together."""
    dataset = load_dataset("synthetic")
    pairs, seen = [], set()
    for pair in dataset.pairs(["car"]):
        both = {pair.source.image_id, pair.target.image_id}
        if len(seen | both) <= n_images and both - seen:
            pairs.append(pair)
            seen |= both
    encoder = check_encoder(load_model(model, dataset=dataset.name))
    content = from_pairs(dataset, pairs, [encoder], Sources(), Progress())
    return write_page(content, folder / f"{encoder.name}.html")


def clicks_ms(page_file: Path) -> tuple[list[float], list[float]]:
    """What each click took: the page's script, and until the next painted frame."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    of_script, until_painted = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_file.as_uri())
        page.wait_for_timeout(3000)  # the scores of all pairs are computed in the background
        page.evaluate(OBSERVE)
        stages = page.locator(".stage")
        for i in range(N_CLICKS):
            stages.nth(i % 4).click(position={"x": 20 + 4 * i, "y": 20 + 3 * i})
            of_script.append(float(page.evaluate("document.documentElement.dataset.milliseconds")))
            page.wait_for_timeout(250)
            until_painted.append(float(page.evaluate("painted")))
        browser.close()
    return of_script[WARM_UP:], until_painted[WARM_UP:]


def quartiles(times: list[float]) -> str:
    low, median, high = statistics.quantiles(times, n=4)
    return f"{median:.0f} ms (quartiles {low:.0f} and {high:.0f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", dest="models", action="append")
    parser.add_argument("--images", type=int, default=12)
    arguments = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory() as scratch:
        for model in arguments.models or ["lite0", "sphere"]:
            summary = written(model, arguments.images, Path(scratch))
            of_script, until_painted = clicks_ms(summary.path)
            (name, fidelity), *_ = summary.fidelity.items()
            of_few = summary.n_bytes / summary.n_images * FEW_IMAGES
            print(
                f"{name}: {summary.n_images} images, {summary.n_bytes / 1e6:.1f} MB "
                f"({of_few / 1e6:.1f} MB for {FEW_IMAGES})"
            )
            print(
                f"  a click: {quartiles(of_script)}, until painted {quartiles(until_painted)}; "
                f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            )
            print(f"  {fidelity.sentence()}")
            is_good &= (
                statistics.median(of_script) < MOST_MS
                and of_few < MOST_BYTES
                and not fidelity.is_low
            )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
