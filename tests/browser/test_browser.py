"""The site in Chromium: sorting, filtering, no script, no stranger, nobody shut out."""

import shutil

import pytest
from boards import drawn

from kapbench_leaderboard.site.build import build

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


PAGES = (
    "index.html",
    "data/spair.html",
    "models/good.html",
    "compare.html",
    "published.html",
    "samples.html",
    "compare/spair~better~good.html",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    drawn(
        folder / "results", {"good": 0.6, "better": 0.62, "poor": 0.3, "random": 0.1, "oracle": 0.9}
    )
    drawn(folder / "results", {"masked": 0.5}, supervision="masks", conditions_on=("mask",))
    drawn(folder / "results", {"elsewhere": 0.9}, revision="data2")
    drawn(folder / "results", {"good": 0.5}, dataset="pf-pascal", n_pairs=20)
    build(folder / "results", folder / "site")
    return (folder / "site").as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, site):
    """Opens a page of the site; fails on any complaint of the console or request elsewhere."""
    complaints, contexts = [], []

    def open_page(path, *, script=True, root=None, **options):
        context = browser.new_context(java_script_enabled=script, **options)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda r: None if r.url.startswith("file:") else complaints.append(r.url)
        )
        page.goto(f"{root or site}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def names(page):
    return page.locator("table >> nth=0").locator("tbody tr:not([hidden]) th").all_inner_texts()


def header(page, word):
    return page.locator("table >> nth=0").locator("thead th", has_text=word).first


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_without_a_complaint(opened, path):
    page = opened(path)
    assert page.locator("h1").count() == 1
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_column_sorts_both_ways(opened, by):
    page = opened("index.html")
    column = header(page, "KAP@0.10")

    def press():
        button = column.locator("button")
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press("Enter")

    press()
    assert column.get_attribute("aria-sort") == "descending"
    down = names(page)
    assert down[0] == "oracle"
    assert down[-1] == "random"
    press()
    assert column.get_attribute("aria-sort") == "ascending"
    assert names(page) == down[::-1]
    header(page, "model").locator("button").click()
    assert names(page) == sorted(down)
    assert column.get_attribute("aria-sort") is None
    assert page.locator("th[aria-sort]").count() == 1


def test_ranks_sort_with_controls_last(opened):
    page = opened("index.html")
    header(page, "rank").locator("button").click()
    assert set(names(page)[-2:]) == {"oracle", "random"}
    assert set(names(page)[:2]) == {"good", "better"}


@pytest.mark.parametrize(
    ("select", "choice", "left"), [("Supervision", "masks", 1), ("Conditions on", "mask", 1)]
)
def test_filters(opened, select, choice, left):
    page = opened("index.html")
    whole = len(names(page))
    page.get_by_label(select).select_option(choice)
    assert names(page) == ["masked"]
    assert f"{left} of {whole} rows" in page.locator("output").inner_text()
    page.get_by_label(select).select_option("")
    assert len(names(page)) == whole


def test_two_models_are_chosen_and_compared(opened):
    page = opened("compare.html")
    page.get_by_label("First").select_option("poor")
    page.get_by_label("Second").select_option("better")
    page.get_by_role("link", name="Compare", exact=True).click()
    assert "better" in page.locator("h1").inner_text()
    assert "poor" in page.locator("h1").inner_text()
    assert page.locator("tbody tr").count() == 4  # three categories and their mean
    assert page.get_by_label("First").count() == 0


def test_light_and_dark_are_kept(opened):
    page = opened("index.html", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").click()
    assert page.evaluate(paper) != light
    assert page.locator("#theme").inner_text() == "Light"
    dark = opened("index.html", color_scheme="dark")
    assert dark.evaluate(paper) == page.evaluate(paper)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A board of many categories and long names."""
    folder = tmp_path_factory.mktemp("wide")
    names = ("geoaware.supervised.lite0", "sphere.dinov2-b14.reg", "a_name_without_a_dot_" * 3)
    drawn(
        folder / "results",
        dict.fromkeys(names, 0.6),
        categories=("aeroplane", "diningtable", "pottedplant", *(f"thing{i}" for i in range(15))),
    )
    build(folder / "results", folder / "site")
    return (folder / "site").as_uri()


TOO_WIDE = """
    [document.documentElement, ...document.querySelectorAll(".scroll, pre")]
        .filter((box) => box.scrollWidth > box.clientWidth)
        .map((box) => [box.getAttribute("aria-label"), box.scrollWidth, box.clientWidth])
"""


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("width", [320, 360, 768, 820, 1000, 1200, 1920])
@pytest.mark.parametrize("kind", ["usual", "wide"])
def test_nothing_scrolls_sideways(opened, wide, kind, width, script):
    paths = PAGES
    if kind == "wide":
        paths = ("index.html", "data/spair.html", "models/sphere.dinov2-b14.reg.html")
    for path in paths:
        page = opened(
            path,
            script=script,
            root=wide if kind == "wide" else None,
            viewport={"width": width, "height": 740},
        )
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert page.evaluate(TOO_WIDE) == [], path


@pytest.mark.parametrize("path", PAGES)
def test_on_paper_everything_is_dark_on_white_and_fits(opened, path):
    page = opened(path, color_scheme="dark", viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("header").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    for table in page.locator("table").all():  # those in closed details are printed too
        assert table.bounding_box() is not None


def test_on_a_narrow_screen_each_number_says_what_it_is(opened):
    page = opened("index.html", viewport={"width": 360, "height": 740})
    said = page.evaluate(
        """[...document.querySelectorAll("tbody tr:first-child td")]
        .map((cell) => getComputedStyle(cell, "::before").content)"""
    )
    assert '"KAP@0.10"' in said
    assert '""' not in said
    header(page, "KAP@0.10").locator("button").click()
    assert names(page)[0] == "oracle"


@pytest.mark.parametrize("path", PAGES)
def test_without_a_script_everything_is_there_and_nothing_dead(opened, path):
    page = opened(path, script=False)
    assert page.locator(".script:visible").count() == 0
    assert page.locator("button:visible").count() == 0
    if path == "index.html":
        assert "better" in page.locator("table").first.inner_text()
        page.get_by_role("link", name="SPair-71k", exact=True).first.click()
        assert page.locator("table").count() > 2
    if path == "compare.html":
        page.locator("summary", has_text="SPair-71k").click()
        page.locator(".pairs a").first.click()
        assert page.locator("tbody tr").count() == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_nobody_is_shut_out(opened, path, scheme):
    page = opened(path, color_scheme=scheme)
    found = axe.Axe().run(page, options={"preload": False})
    said = [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found.response["violations"]
    ]
    assert said == []
