"""The explore page in Chromium: a point is chosen in every way, and the scores are the run's."""

import re
import shutil

import numpy as np
import pytest
from command_line import DOTS
from explored import Filters, content_of, run_of_dots
from submissions import dots

from kapbench.progress import Progress
from kapbench.scoring.metrics import kap_samples
from kapbench.scoring.rules import load_rule
from kapbench.types import Grid, Keypoints, View
from kapbench_leaderboard.explore.content import Content, ExploredImage, ExploredModel
from kapbench_leaderboard.explore.fidelity import Fidelity
from kapbench_leaderboard.explore.gather import from_runs
from kapbench_leaderboard.explore.quantise import QuantisedMap, QuantisedModel
from kapbench_leaderboard.explore.select_pairs import Selection
from kapbench_leaderboard.explore.write_page import write_page
from kapbench_leaderboard.figures.sources import Sources

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"
    ),
    # The browser's own pipes outlive a test that ends early.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
N_PAIRS = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of_dots(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def pages(run, tmp_path_factory):
    """The address of a page of a run, and of one with two models and no run."""
    folder = tmp_path_factory.mktemp("pages")
    sources = Sources(
        f"{DOTS}:Dots", f"{DOTS}:Colours", cache=folder, dataset_options={"n_images": 6}
    )
    of_run = from_runs([run], Selection(N_PAIRS), sources, photographs=True, progress=Progress())
    two = content_of(dots().Dots(), folder, Filters(), Filters("neg_l2"))
    contents = {"run": of_run, "two": two, "large": large()}
    return {
        name: write_page(content, folder / f"{name}.html").path.as_uri()
        for name, content in contents.items()
    }


def large() -> Content:
    """12 images with as many cells and channels as lite0 has."""
    rng = np.random.default_rng(0)
    n, channels, size = 12, 304, (100, 100)
    none = Keypoints(np.empty((0, 2)), np.empty(0, bool))
    images = [
        ExploredImage(
            View(f"{i}", "photograph", size, (0.0, 0.0, 100.0, 100.0), none),
            f"{i}",
            np.full((100, 100, 3), 20 * i, np.uint8),
            100.0,
        )
        for i in range(n)
    ]
    maps = tuple(
        QuantisedMap(
            rng.integers(-127, 128, (3600, channels)).astype(np.int8),
            np.full(3600, 1e-3, np.float32),
            Grid.stretched(size, 60, 60),
        )
        for _ in range(n)
    )
    model = QuantisedModel("dot", np.full(channels, 1e-2, np.float32), maps)
    fidelity = Fidelity(1.0, 0.0, 1.0, 1, 1, False)
    return Content(images, [ExploredModel("large", "1", model, fidelity)])


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, pages):
    """Opens a page; fails on any complaint of the console or request for anything but the file."""
    complaints, contexts = [], []

    def open_page(name, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url),
        )
        page.goto(pages[name])
        wait_for_scores(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def number(text):
    """A number as the page writes it, with a minus sign."""
    return float(text.replace("\u2212", "-"))


def wait_for_scores(page):
    """Until no score stands as … any more. The page's policy forbids a function of the test's."""
    sync_api.expect(page.locator(".panel")).not_to_contain_text("…")


def heading(page):
    return page.locator("#point").inner_text()


def choose_rule(page, name):
    page.get_by_label("Rule").select_option(name)
    wait_for_scores(page)


def test_a_click_shows_where_the_point_is_found(opened):
    page = opened("run")
    stage = page.locator(".stage").nth(1)
    before = heading(page)
    stage.click(position={"x": 5, "y": 5})
    assert heading(page) != before
    assert heading(page).endswith("of image 2")
    assert "Point" in heading(page)
    assert "image 1" in page.locator("#live").inner_text()
    assert page.locator(".stage").nth(0).locator("use[href='#mark-best']").count() == 1
    pixels = """(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, 16, 16).data).size"""
    assert page.locator(".stage canvas").nth(0).evaluate(pixels) > 10
    assert page.locator(".stage canvas").nth(1).evaluate(pixels) == 1  # nothing on the source
    fixed = heading(page)
    page.locator(".stage").nth(0).hover()
    assert heading(page) == fixed  # a click keeps the point
    page.keyboard.press("Escape")
    page.locator(".stage").nth(0).hover(position={"x": 8, "y": 50})
    sync_api.expect(page.locator("#point")).to_have_text(re.compile("image 1$"))


@pytest.mark.parametrize("rule", ["kap-cvpr24", "kap-v1"])
def test_scores_are_those_of_the_run(opened, run, rule):
    page = opened("run")
    choose_rule(page, rule)
    page.get_by_label("Show").select_option("pair:0")
    n_compared = 0
    for k in range(page.locator("#keypoints button").count()):
        page.locator("#keypoints button").nth(k).click()
        wait_for_scores(page)
        for cell in page.locator("#results td.number").all_inner_texts():
            if "run" not in cell:
                continue
            stored = number(re.search(r"run (\S+)", cell)[1])
            here = re.search(r"raw (\S+)", cell)
            here = number(here[1] if here else cell.split()[0])
            assert here == pytest.approx(stored, abs=0.01)
            n_compared += 1
    assert n_compared >= 4
    rows = run.records[run.records["pair_id"].isin(shown_pairs(page))].reset_index(drop=True)
    samples = kap_samples(rows, load_rule(rule), 0.1)
    n_checked = 0
    for step in range(0, 1001, 50):
        page.locator("#threshold").fill(str(step))
        threshold = number(page.locator("#threshold-value").inner_text())
        if np.abs(samples.score - threshold).min() < 0.012:
            continue  # bytes may put a score on the other side
        n_checked += 1
        accepted = samples.score >= threshold
        n_right = int(samples.label[accepted].sum())
        text = page.locator("#precision dd").inner_text()
        assert f"({n_right} of {int(accepted.sum())} accepted)" in text
        assert f"({n_right} of {int(samples.label.sum())})" in text
    assert n_checked >= 3


def shown_pairs(page):
    return [
        text.partition(": ")[2]
        for text in page.locator("#shown option").all_inner_texts()
        if text.startswith("pair ")
    ]


def test_a_threshold_and_alpha_change_the_scores(opened):
    page = opened("run")
    text = page.locator("#precision").inner_text()
    page.locator("#threshold").fill("0")
    lowest = page.locator("#precision").inner_text()
    assert "recall 100.0 %" in lowest
    assert lowest != text
    page.locator("#alpha").fill("0.3")
    assert page.locator("#alpha-value").inner_text() == "0.30"
    assert page.locator("#precision dd").inner_text() != lowest


def test_the_keyboard_moves_the_point_by_a_cell(opened):
    page = opened("run")
    page.locator(".stage").nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert heading(page) == "Point 38, 34 of image 2"  # from the middle, 16 cells on 64 px
    page.keyboard.press("Shift+ArrowUp")
    assert heading(page) == "Point 38, 14 of image 2"
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert heading(page) == "Point 2, 14 of image 2"  # the border stops it
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Image 3")


def test_touch_chooses(opened):
    page = opened("run", has_touch=True, viewport={"width": 360, "height": 740})
    page.locator(".stage").nth(2).tap(position={"x": 6, "y": 6})
    assert heading(page).endswith("of image 3")


def test_two_models_stand_side_by_side(opened):
    page = opened("two")
    page.locator(".stage").nth(0).click(position={"x": 9, "y": 9})
    assert page.locator(".card").nth(0).locator(".stage").count() == 2
    assert page.locator("#legend p").count() == 2
    assert "negative distance" in page.locator("#legend").inner_text()
    scores = page.locator("#results td:nth-child(2)").all_inner_texts()
    assert number(scores[0]) > 0 > number(scores[1])


@pytest.mark.parametrize("width", [320, 360, 820, 1280, 1920])
def test_nothing_scrolls_sideways(opened, width):
    page = opened("two", viewport={"width": width, "height": 740})
    page.locator("#names").check()
    wide = """[document.documentElement, ...document.querySelectorAll('.scroll')]
        .filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.className)"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("name", ["run", "two"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(opened, name, scheme):
    page = opened(name, color_scheme=scheme, reduced_motion="reduce")
    page.locator(".stage").nth(0).click(position={"x": 9, "y": 9})
    checked = axe.Axe().run(page, options={"preload": False})
    violations = [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in checked.response["violations"]
    ]
    assert violations == []


def test_every_click_says_how_long_it_took(opened):
    """In milliseconds, which benchmarks/speed/explore.py reads."""
    page = opened("large")
    times = []
    for i in range(12):
        page.locator(".stage").nth(i % 3).click(position={"x": 20 + 5 * i, "y": 30 + 4 * i})
        times.append(float(page.evaluate("document.documentElement.dataset.milliseconds")))
    assert all(time > 0 for time in times)
    assert len(set(times)) > 1  # of each click, not of the first


def test_the_picture_is_drawn(opened, tmp_path):
    page = opened("run")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 20_000
