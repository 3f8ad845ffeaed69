"""The site as files: what is on its pages, how it is written, what it refuses."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from boards import HOSTILE, drawn
from click.testing import CliRunner

from kapbench.cli import main
from kapbench.errors import KapbenchError
from kapbench_leaderboard.published.load import numbers, published
from kapbench_leaderboard.site.build import build
from kapbench_leaderboard.site.links import Links, slug


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    drawn(folder, {"good": 0.6, "better": 0.605, "poor": 0.3, "random": 0.1})
    drawn(folder, {"masked": 0.5}, supervision="masks", conditions_on=("mask",))
    drawn(folder, {"elsewhere": 0.9}, revision="data2")
    drawn(folder, {"good": 0.7, HOSTILE: 0.4}, dataset="synthetic")
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    drawn(folder, {"good": 0.6})
    return folder


@pytest.fixture(scope="module")
def site(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "site"
    build(results, out)
    return out


class Page(HTMLParser):
    """Links, tags, and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.ids, self.texts = path, [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        for name in ("href", "src"):
            if name in given:
                self.links.append((tag, given[name]))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def test_every_link_leads_somewhere(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 10
    for page in pages.values():
        for tag, link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert (tag, parts.scheme) == ("a", "https")
                continue
            target = (page.path.parent / unquote(parts.path)) if parts.path else page.path
            assert target.resolve().exists(), (page.path, link)
            if parts.fragment:
                assert parts.fragment in pages[target.resolve()].ids, (page.path, link)


def test_no_page_asks_another_host_for_anything(site):
    for path in site.rglob("*.html"):
        for tag, link in Page(path).links:
            assert tag == "a" or not urlsplit(link).netloc
    for path in (site / "static").iterdir():
        assert b"http" not in path.read_bytes().replace(b"http://www.w3.org", b"")


def test_a_board_ranks_one_group_and_says_why_others_stand_apart(site):
    page = Page(site / "data" / "spair.html")
    assert "the data set has revision data2, not data1" in page.text.lower()
    index = Page(site / "index.html").text
    assert "better" in index
    assert "elsewhere" not in index


def test_models_that_cannot_be_told_apart_share_a_rank(site):
    rows = re.findall(
        r'data-value="(\d+)">\d*–?</td>\s*<th scope="row"><a [^>]*>(\w+)</a>',
        (site / "data" / "spair.html").read_text().partition("</table>")[0],
    )
    ranks = {name: int(rank) for rank, name in rows if int(rank) < 9999}
    assert ranks["good"] == ranks["better"] == 1
    assert ranks["masked"] > 1
    assert ranks["poor"] > ranks["masked"]


def test_names_are_escaped_everywhere(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "<b>&" not in text
        assert "a&lt;b&gt;" in text or "a<b" not in text
        assert "a49" not in text  # no template of theirs is run
    assert (site / "models" / f"{slug(HOSTILE)}.html").exists()


def test_rules_hashes_and_random_stand_with_every_board(site):
    text = Page(site / "data" / "spair.html").text
    assert "kap-cvpr24" in text
    assert "pair-min-max" in text  # the rule's own words
    assert re.search(r"– random \d", text)
    assert "prevalence" in text
    assert "KAP skill" in text


def test_prevalence_and_n_stand_below_the_models_and_are_never_sorted_among_them(site):
    text = (site / "data" / "spair.html").read_text()
    feet = re.findall(r"<tfoot>(.*?)</tfoot>", text, re.DOTALL)
    titles = [re.findall(r'<th scope="row">(.*?)</th>', foot) for foot in feet]
    assert titles.count(["prevalence"]) >= 1
    assert titles.count(["prevalence", "n"]) >= 2
    assert {title for of_table in titles for title in of_table} == {"prevalence", "n"}
    assert 'data-label="mean">40.0</td>' in feet[0]
    for body in re.findall(r"<tbody>(.*?)</tbody>", text, re.DOTALL):
        assert not re.search(r'<th scope="row">(prevalence|n<)', body)


def test_downloads_hold_the_same_numbers(site):
    lines = (site / "downloads" / "spair.csv").read_text().splitlines()
    assert any(",good," in line for line in lines)
    assert (site / "downloads" / "spair.json").exists()
    assert r"\begin{tabular}" in (site / "downloads" / "spair.tex").read_text()


def test_published_numbers_are_quoted_with_their_source_and_never_ranked(site):
    quoted = list(numbers(published()))
    assert len(quoted) > 100
    assert {q.grade for q in quoted} == {"P", "2"}
    assert all(q.table.source and q.table.table for q in quoted)
    page = Page(site / "published.html").text
    assert all(f"{q.table.source}, {q.table.table}" in " ".join(page.split()) for q in quoted)
    assert "not ranked with the measured scores" in page
    assert "SD+DINOv2-B/14" not in Page(site / "index.html").text
    assert "per image" in page
    assert "per point" in page


def test_a_site_is_replaced_whole_and_nothing_else_is(few, tmp_path):
    out = tmp_path / "site"
    build(few, out)
    (out / "old.html").write_text("old")
    build(few, out)
    assert not (out / "old.html").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("years of work")
    with pytest.raises(KapbenchError, match="something other than a site"):
        build(few, other)
    assert (other / "chapter.tex").read_text() == "years of work"
    assert {p.name for p in tmp_path.iterdir()} == {"site", "thesis"}


def test_damaged_results_leave_the_old_site(few, tmp_path):
    out, broken = tmp_path / "site", tmp_path / "results"
    build(few, out)
    before = (out / "index.html").read_bytes()
    drawn(broken, {"good": 0.5})
    (entry,) = broken.rglob("*.json")
    entry.write_text("{}")
    with pytest.raises(KapbenchError, match="not a leaderboard entry") as caught:
        build(broken, out)
    assert str(entry) in str(caught.value)
    assert (out / "index.html").read_bytes() == before


def test_the_command(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["site", "--results", str(results), "-o", "site"])
    assert done.exit_code == 0
    assert "Open site/index.html." in done.output
    done = CliRunner().invoke(main, ["site", "--results", "nowhere", "-o", "other"])
    assert done.exit_code == 1
    assert "no accepted results" in done.output
    assert not Path("other").exists()


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    results, out = tmp_path_factory.mktemp("twice"), tmp_path_factory.mktemp("out") / "site"
    drawn(results, {"good": 0.6, "better": 0.62})
    drawn(results, {"good": 0.5}, model_revision="r2")
    build(results, out)
    return out


class TestTwoRunsOfOneModel:
    def test_every_two_runs_have_a_page_of_their_own(self, twice):
        titles = [Page(p).text.partition(" · ")[0] for p in (twice / "compare").iterdir()]
        assert sorted(t.strip() for t in titles) == [
            "better and good@r1",
            "better and good@r2",
            "good@r1 and good@r2",
        ]

    def test_the_chooser_offers_each(self, twice):
        chosen = re.findall(
            r'data-first="([^"]+)" data-second="([^"]+)"', (twice / "compare.html").read_text()
        )
        assert len(set(chosen)) == 3

    def test_the_models_page_tells_them_apart(self, twice):
        text = Page(twice / "models" / "good.html").text
        assert "revision r1" in text
        assert "revision r2" in text
        assert "revision" not in Page(twice / "models" / "better.html").text.partition("Licence")[0]


def test_two_pages_of_one_name_are_refused(results, tmp_path, monkeypatch):
    monkeypatch.setattr(Links, "pair", lambda *_: "compare/one.html")
    with pytest.raises(KapbenchError, match=r"Two pages have the name compare/one.html"):
        build(results, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_joined_names_can_be_told_apart():
    links = Links("")
    assert links.pair("d", "a", "b~c") != links.pair("d", "a~b", "c")
    assert links.pair("d", "a", "b--c") != links.pair("d", "a--b", "c")


def test_a_models_page_has_its_scores_with_intervals(site):
    text = Page(site / "models" / "poor.html").text
    assert "Scores by rule" in text
    assert re.search(r"kap-cvpr24 KAP \d\d\.\d \d\d\.\d…\d\d\.\d", text)


def test_a_models_page_says_what_it_does_better_and_worse_with_numbers(site):
    text = Page(site / "models" / "poor.html").text
    assert "4" in re.search(r"rank .*?(\d of 4)", text)[1]  # models, without the control
    weaknesses = text.partition("Weaknesses")[2].partition(
        "The median is that of the 3 other models"
    )
    assert weaknesses[1]
    assert re.search(r"KAP: \d+\.\d \(\d+\.\d…\d+\.\d\) points below the median", weaknesses[0])
    assert "significantly worse than 3 of 3 models" in weaknesses[0]
    assert "Weaknesses" not in Page(site / "models" / "random.html").text  # a control


def test_two_models_are_compared_in_a_sentence_and_in_charts(site):
    page = (site / "compare" / "spair~better~poor.html").read_text()
    text = Page(site / "compare" / "spair~better~poor.html").text
    assert re.search(r"KAP@0.10: better is \d+\.\d \(.*?\) points above poor \(p < 0.001\)", text)
    assert "better is significantly better in cat, cow and dog" in text
    labels = re.findall(r'<svg[^>]*aria-label="([^"]+)"', page)
    assert len(labels) == 4  # a scatter and the differences, for KAP and PCK
    assert all("cat: better" in label and "significant" in label for label in labels)
    assert "<title>cow: better" in page


def test_the_matrix_links_each_cell_to_the_page_of_the_two(site):
    page = (site / "compare.html").read_text()
    row = page.partition('<tr><th scope="row">poor</th>')[2].partition("</tr>")[0]
    assert row.count('class="verdict worse"') == 6  # than three models, by KAP and by PCK
    assert 'href="compare/spair~better~poor.html"' in row
    assert row.count('aria-label="the same model"') == 1


def test_pages_of_synthetic_pairs_are_written_on_request(results, tmp_path, monkeypatch):
    from kapbench_leaderboard.explore import dataset_page

    def write(models, dataset, out, *, progress):
        out.write_text(f"{models} {dataset}")

    monkeypatch.setattr(dataset_page, "write_dataset_page", write)
    build(results, tmp_path / "site", explore=("good", "good"))
    (page,) = (tmp_path / "site" / "explore").iterdir()
    assert page.read_text() == "['good'] synthetic.small"
    links = [link for _, link in Page(tmp_path / "site" / "models" / "good.html").links]
    assert f"../explore/{page.name}" in links
    assert "kapbench explore poor" in Page(tmp_path / "site" / "models" / "poor.html").text
    with pytest.raises(KapbenchError, match="Unknown model 'nobody'"):
        build(results, tmp_path / "other", explore=("nobody",))
    assert not (tmp_path / "other").exists()


def test_who_has_no_page_to_compare_is_said(site):
    text = Page(site / "compare.html").text
    assert "the 10 models with the highest scores" in text
    assert "controls and other models have none" in text


@pytest.mark.parametrize("names", [("a/b", "a_b"), ("a.b", "a_2e_b"), ("A", "a_41_")])
def test_two_names_never_meet_in_one_file(names):
    assert slug(names[0]) != slug(names[1])
