"""The documentation site in Chromium, opened from disk: search, dark scheme, no request, axe."""

import shutil

import pytest
from documentation_site import built_site

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
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
    "api/evaluate.html",
    "commands/run.html",
    "datasets/index.html",
    "metrics.html",
    "notebooks/quickstart.html",
)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens a page from disk; fails on any complaint of the console or request elsewhere."""
    complaints, contexts = [], []

    def opened(path, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(
            120_000
        )  # the tests of another worker may keep the machine busy
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url),
        )
        page.goto(f"{built_site().folder.as_uri()}/{path}")
        page.wait_for_load_state("networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_opens_from_disk_and_does_not_scroll_sideways(open_page, path, width):
    page = open_page(path, viewport={"width": width, "height": 900})
    assert page.locator("article h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_search_finds_a_page_without_a_server(open_page):
    page = open_page("index.html", viewport={"width": 1280, "height": 900})
    page.fill("input.md-search__input", "absence AUROC")
    first = page.locator(".md-search-result__item a").first
    first.wait_for(timeout=20_000)
    first.click()
    page.wait_for_load_state()
    assert "AUROC" in page.locator("article").inner_text()
    assert page.url.startswith("file:")


def test_the_dark_scheme_follows_the_system_and_can_be_chosen(open_page):
    def scheme(page):
        return page.evaluate("document.body.getAttribute('data-md-color-scheme')")

    assert scheme(open_page("index.html", color_scheme="dark")) == "slate"
    page = open_page("index.html", color_scheme="light")
    assert scheme(page) == "default"
    for _ in range(2):  # follow the system, light, dark
        page.locator("form[data-md-component=palette] label:visible").click()
    assert scheme(page) == "slate"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["index.html", "notebooks/quickstart.html"])
def test_axe_has_no_objection(open_page, path, scheme):
    page = open_page(path, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    result = axe.Axe().run(page, options={"preload": False})
    assert [
        (v["id"], [n["html"][:160] for n in v["nodes"][:4]]) for v in result.response["violations"]
    ] == []
