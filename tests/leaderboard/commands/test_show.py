"""`kapbench show`: which picture of which run, into which files."""

import struct
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from kapbench.running.results import load_card, load_records
from kapbench_leaderboard.figures import kap_figure, select_rows, style
from kapbench_leaderboard.figures.kap_examples import Rerun, choose_examples
from kapbench_leaderboard.figures.run_view import RunView
from kapbench_leaderboard.figures.sources import Output, Sources

DOTS = Path(__file__).parents[2] / "support/dots.py"
DATA = ("--load-dataset", f"{DOTS}:Dots")
GREYS = ("--load-model", f"{DOTS}:Greys", "--cache", "cache")
MAPS = ("features", "--model", f"{DOTS}:Greys", "--cache", "cache", "--dataset", f"{DOTS}:Dots")


@pytest.fixture
def greys(scored) -> Path:
    (folder,) = scored(
        ("Greys", "--rule", "kap-cvpr24", "--rule", "kap-v1", "--rule", "pck-sd-dino")
    )
    return folder


def absent(folder: Path) -> pd.Series:
    """A keypoint that the target does not show."""
    rows = load_records(folder)
    return rows[~rows["target_visible"]].iloc[0]


def size_of(png: Path) -> tuple[int, int]:
    content = png.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def made(result) -> list[Path]:
    assert result.exit_code == 0, result.output
    return [Path(line) for line in result.stdout.splitlines()]


class Page(HTMLParser):
    """Addresses that a page asks for, and its pictures' words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.alts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.addresses += [found[k] for k in ("src", "href") if k in found]
        if tag == "img":
            self.alts.append(found.get("alt", ""))


class TestOneRun:
    def test_a_page_with_its_pictures_inside(self, kapbench, greys):
        files = made(kapbench("show", "report", greys, "-o", "out", *DATA))
        assert [f.name for f in files] == ["report.html", "bars.png", "precision.png", "pck.png"]
        page = Page(files[0].read_text(encoding="utf-8"))
        assert all(a.startswith("data:image/") for a in page.addresses)
        assert len(page.alts) == 3 + min(
            20, len(select_rows.worst(load_records(greys), load_card(greys), 20))
        )
        assert all(page.alts)

    def test_without_the_data_set_the_page_says_so(self, kapbench, greys):
        files = made(kapbench("show", "report", greys, "-o", "out"))
        text = files[0].read_text(encoding="utf-8")
        assert "The images are not shown. The figure needs the run&#39;s data set" in text
        assert len(Page(text).alts) == 3

    def test_with_its_model_the_page_shows_what_kap_asks_and_the_features(self, kapbench, greys):
        text = made(kapbench("show", "report", greys, "-o", "out", *DATA, *GREYS))[0].read_text(
            "utf-8"
        )
        alts = Page(text).alts
        asked = [alt for alt in alts if alt.startswith("Similarity over the target: ")]
        assert len(asked) == 2
        assert asked[0].removeprefix("Similarity over the target: ").startswith("absent")
        assert asked[1].endswith(("the best match is correct", "the best match is wrong"))
        assert "Feature maps of 4 images of dot" in " ".join(alts).replace("spot", "dot")

    def test_without_its_model_the_page_says_why_and_which_command_makes_them(
        self, kapbench, greys
    ):
        text = made(kapbench("show", "report", greys, "-o", "out", *DATA))[0].read_text("utf-8")
        (pair, number), _ = choose_examples(RunView.load(greys))
        assert "The figure is not shown. The figure needs the run&#39;s model" in text
        assert f"kapbench show keypoint greys {pair} {number} -o pictures" in text
        assert "kapbench show features --model greys --dataset dots --category" in text

    def test_the_keypoints_that_say_most(self, greys):
        run = RunView.load(greys, rules=("kap-v1",))
        absent, found = choose_examples(run)
        rows = run.records.set_index(["pair_id", "keypoint"])
        hidden = rows[~rows["target_visible"]]
        assert not rows.loc[absent, "target_visible"]
        assert rows.loc[absent, "best@v1"] == hidden["best@v1"].max()
        assert rows.loc[found, "target_visible"]
        margin = (rows["inside@v1@0.10"] - rows["outside@v1@0.10"])[rows["target_visible"]]
        same = margin.loc[[absent[0]]]
        assert margin.loc[found] == (same.max() if same.max() > 0 else margin.max())

    def test_pictures_are_as_wide_as_a_column(self, kapbench, greys):
        files = made(kapbench("show", "report", greys, "-o", "out"))
        assert {size_of(f)[0] for f in files[1:]} == {int(style.COLUMN_IN * style.PNG_DPI)}

    def test_svg(self, kapbench, greys):
        for file in made(kapbench("show", "report", greys, "-o", "out", "--format", "svg"))[1:]:
            assert ET.parse(file).getroot().tag.endswith("svg")

    @pytest.mark.slow
    def test_the_same_run_gives_the_same_files(self, kapbench, greys):
        first = [
            f.read_bytes() for f in made(kapbench("show", "report", greys, "-o", "one", *DATA))
        ]
        again = [
            f.read_bytes() for f in made(kapbench("show", "report", greys, "-o", "two", *DATA))
        ]
        assert first == again

    def test_a_name_with_markup_is_text(self, kapbench, greys):
        path = greys / "run.json"
        path.write_text(path.read_text().replace('"greys"', '"<b>$x_i$</b>"'))
        text = made(kapbench("show", "report", greys, "-o", "out"))[0].read_text(encoding="utf-8")
        assert "<b>$x_i$" not in text
        assert "&lt;b&gt;$x_i$" in text


class TestPairs:
    def test_worst_pairs_in_order(self, kapbench, greys):
        expected = select_rows.worst(load_records(greys), load_card(greys), 3)
        files = made(kapbench("show", "worst", greys, "--n", 3, "-o", "out", *DATA))
        assert [f.name for f in files] == [
            Output(Path("out")).path(f"worst-{i:02d}", name).name
            for i, name in enumerate(expected, 1)
        ]

    def test_a_category(self, kapbench, greys):
        files = made(kapbench("show", "category", greys, "spot", "-o", "out", *DATA))
        assert [f.name for f in files[:2]] == ["spot-precision.png", "spot-pck.png"]
        assert all("spot" in f.name for f in files[2:])

    def test_one_pair(self, kapbench, greys):
        (file,) = made(kapbench("show", "pair", greys, "dot:0-1", "-o", "out", *DATA))
        assert file == Path("out/pair-dot_0-1.png")

    def test_two_models_in_one_figure(self, kapbench, score, greys):
        (alone,) = made(kapbench("show", "pair", greys, "dot:0-1", "-o", "one", *DATA))
        score("Colours", "--rule", "kap-cvpr24", "--rule", "pck-sd-dino")
        words = ("show", "pair", greys, "colours", "dot:0-1", "-o", "two", *DATA)
        (both,) = made(kapbench(*words, "--rule", "kap-cvpr24", "--rule", "pck-sd-dino"))
        assert size_of(both)[1] > 1.5 * size_of(alone)[1]

    def test_a_talk_is_larger_and_without_a_title_lower(self, kapbench, greys):
        words = ("show", "samples", greys, "--style", "talk")
        (talk,) = made(kapbench(*words, "-o", "talk"))
        (bare,) = made(kapbench(*words, "--no-title", "-o", "bare"))
        assert size_of(talk)[0] == size_of(bare)[0] == int(5.8 * 200)
        assert size_of(bare)[1] < size_of(talk)[1]

    @pytest.mark.parametrize("rule", ["kap-cvpr24", "kap-v1"])
    def test_a_keypoint_that_is_absent(self, kapbench, greys, rule):
        row = absent(greys)
        of = (row["pair_id"], row["keypoint"], "--rule", rule)
        (file,) = made(kapbench("show", "keypoint", greys, *of, "-o", "out", *DATA, *GREYS))
        assert size_of(file)[0] == int(style.COLUMN_IN * style.PNG_DPI)

    def test_the_words_of_a_picture_agree_with_the_records(self, greys):
        run = RunView.load(greys, rules=("kap-v1",))
        sources = Sources(f"{DOTS}:Dots", f"{DOTS}:Greys", cache=Path("cache"), device="cpu")
        rows = select_rows.of_pair(run.records, "dot:0-1")
        rerun = Rerun.of(run, sources)
        for _, row in rows.iterrows():
            said = kap_figure.describe(rerun.example("dot:0-1", int(row["keypoint"])))
            if not row["target_visible"]:
                assert said.startswith("absent")
            elif row["inside@v1@0.10"] > row["outside@v1@0.10"]:
                assert said == "the best match is correct"
            else:
                assert said == "the best match is wrong"


class TestSeveral:
    def test_bars_scatter_and_curves(self, kapbench, score, greys):
        score("Colours", "--rule", "kap-cvpr24", "--rule", "kap-v1", "--rule", "pck-sd-dino")
        files = made(kapbench("show", "report", "runs", "-o", "out"))
        assert [f.name for f in files] == [
            "report.html",
            "bars.png",
            "scatter.png",
            "precision.png",
            "pck.png",
        ]
        page = Page(files[0].read_text(encoding="utf-8"))
        assert "KAP over PCK of colours, greys" in page.alts
        assert len(page.alts) == 4
        assert all(a.startswith("data:image/") for a in page.addresses)

    def test_where_two_runs_disagree_and_its_short_form(self, kapbench, score, greys):
        rules = ("--rule", "kap-cvpr24", "--rule", "pck-sd-dino")
        score("Colours", *rules)
        words = ("greys", "colours", *rules, "--n", 2, *DATA)
        long = made(kapbench("show", "disagree", *words, "-o", "out"))
        assert {f.name for f in long} <= {
            "better-greys-than-colours.png",
            "better-colours-than-greys.png",
        }
        assert long
        content = [file.read_bytes() for file in long]
        for short in ((*words, "--disagree"), ("--disagree", *words)):
            files = made(kapbench("show", *short, "-o", "short"))
            assert [file.read_bytes() for file in files] == content

    def test_runs_of_other_pairs_do_not_stand_in_one_picture(self, kapbench, score, greys):
        score("Colours", "--category", "dot", "--rule", "kap-cvpr24", "--rule", "pck-sd-dino")
        result = kapbench("show", "report", "runs", "-o", "out")
        assert result.exit_code == 1
        assert "cannot share a figure" in result.output
        assert result.output.count("/runs/dots") == 2  # the folder of each
        assert not Path("out").exists()


def test_feature_maps_of_several_models(kapbench):
    words = (*MAPS, "--model", f"{DOTS}:Colours", "--category", "dot", "--images", 3)
    (file,) = made(kapbench("show", *words, "-o", "out"))
    assert file == Path("out/maps-dots-dot.png")
    assert size_of(file)[0] == int(style.COLUMN_IN * style.PNG_DPI)


class TestErrors:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("report",), "Missing argument 'RUNS...'"),
            (("pair", "RUN"), "Missing argument 'RUNS...'"),
            (("disagree", "RUN"), "Missing argument 'B'"),
            (("disagree", "RUN", "RUN", *DATA), "match equally many keypoints of every pair"),
            (("RUN", "pair"), "is no kind of figure"),
            (("pair", "RUN", "dot:0-1", "--style", "huge"), "huge"),
            (("keypoint", "RUN", "dot:0-1"), "Missing argument 'K'"),
            (("pair", "RUN", "dot:0-9"), "Unknown pair 'dot:0-9'"),
            (("category", "RUN", "spto"), "spot"),
            (("worst", "RUN", "--category", "spto"), "spot"),
            (("report", "RUN", "--rule", "pck-v1"), "pck-v1"),
            (("report", "RUN", "--alpha", "0.3"), "has no alpha 0.3"),
            (("report", "RUN", "--model-option", "a=1"), "--model-option needs --load-model"),
            (("worst", "RUN", "--n", "0"), "0"),
            (("keypoint", "RUN", "dot:0-1", "9", *DATA, *GREYS), "eypoint 9"),
            (("pair", "RUN", "dot:0-1"), "The figure needs the run's data set"),
            (("keypoint", "RUN", "dot:0-1", "0", *DATA), "The figure needs the run's model"),
            (("features", "--model", f"{DOTS}:Greys"), "Missing option '--dataset'"),
            (MAPS, "none is named"),
            (("report", "nowhere"), "nowhere"),
        ],
        ids=lambda v: " ".join(map(str, v)) if isinstance(v, tuple) else "",
    )
    def test_says_what_and_how_to_mend_it(self, kapbench, greys, words, said):
        given = [greys if word == "RUN" else word for word in words]
        result = kapbench("show", *given, "-o", "out")
        assert result.exit_code in {1, 2}
        assert any(s in result.output for s in said.split("|")), result.output
        assert not Path("out").exists()

    def test_a_figure_of_one_run_refuses_several(self, kapbench, score, greys):
        score("Colours", "--rule", "pck-sd-dino")
        result = kapbench("show", "pair", "runs", "dot:0-1")
        assert result.exit_code == 1
        assert "'runs' names 2 runs" in result.output

    def test_a_model_of_other_options_is_not_the_runs(self, kapbench, greys):
        words = ("dot:0-1", "0", *DATA, "--cache", "cache")
        result = kapbench(
            "show", "keypoint", greys, *words, "--load-model", f"{DOTS}:Counts", "-o", "out"
        )
        assert result.exit_code == 1
        assert "revision" in result.output or "other maxima" in result.output


def test_a_folder_without_a_run_says_what_it_holds(kapbench):
    entries = Path(__file__).parents[3] / "leaderboard/results/spair/lite0"
    for place in (entries, *entries.glob("*.json")):
        error = kapbench("show", "report", place).stderr
        assert "holds leaderboard entries" in error or "is a leaderboard entry" in error
        assert "`show` needs a run folder" in error
    Path("empty").mkdir()
    assert "fix: Make a run with `kapbench run`\n" in kapbench("show", "report", "empty").stderr
    assert "This path does not exist" in kapbench("show", "report", "no/such").stderr
