"""A finished run in Python: its scores as a tidy frame, and how a prompt and a notebook show it."""

from html.parser import HTMLParser

import pandas as pd
import pytest
from submissions import dots

import kapbench
from kapbench.running.result_set import ResultSet
from kapbench.running.results import RunCard

RULES = ["kap-cvpr24", "kap-v1", "pck-sd-dino", "pck-geoaware", "pck-v1"]
KEYS = ["rule", "metric", "average", "alpha", "split", "over", "category"]


@pytest.fixture(scope="module")
def result():
    module = dots()
    return kapbench.evaluate(module.Colours(), module.Dots(n_images=6), rule=RULES)


def renamed(result: ResultSet, names: dict[str, str]) -> ResultSet:
    """The run on a data set whose categories have other names."""
    card = result.card
    data = card.dataset.model_copy(update={"categories": tuple(names.values())})
    scores = [
        s.model_copy(update={"category": names.get(s.category, s.category)}) for s in card.scores
    ]
    return ResultSet(card.model_copy(update={"dataset": data, "scores": tuple(scores)}), None)


@pytest.mark.parametrize("names", [{}, {"dot": "mean", "spot": "pooled"}])
def test_the_documented_keys_belong_to_one_row(result, names):
    """Also where a category is called as an average is."""
    scores = (renamed(result, names) if names else result).scores
    assert not scores.duplicated(KEYS).any()
    headline = scores[scores["is_headline"]]
    assert not headline.duplicated(["rule", "alpha", "split", "metric", "over", "category"]).any()
    n_categories = (scores["over"] == "category").groupby(scores["category"]).any().sum()
    assert n_categories == 2


def test_the_recipe_pivots_without_duplicates(result):
    scores = result.scores
    rules = ["kap-cvpr24", "pck-geoaware"]  # noqa: F841 - the query reads it
    rows = scores.query("rule in @rules and is_headline and alpha == 0.1 and split == 'all'")
    pivoted = rows.query("over == 'category'").pivot(  # noqa: PD010 - pivot_table would average
        index="category", columns="metric", values="value"
    )
    assert list(pivoted.index) == ["dot", "spot"]
    assert {"kap", "pck"} <= set(pivoted.columns)
    means = rows.query("over != 'category'").set_index("metric")["value"]
    assert means.index.is_unique
    assert means["kap"] == result.headline("kap-cvpr24")
    assert means["pck"] == result.headline("pck-geoaware")
    assert means["kap"] == pytest.approx(pivoted["kap"].mean())


def test_frames_of_several_runs_can_be_joined(result):
    other = renamed(result, {"dot": "dot", "spot": "spot"})
    other = ResultSet(other.card.model_copy(update={"label": "second"}), None)
    both = pd.concat([result.scores, other.scores], ignore_index=True)
    both["label"] = both["label"].fillna("")
    assert not both.duplicated(["model", "label", *KEYS]).any()


def test_numbers_are_numbers_also_without_intervals():
    module = dots()
    made = kapbench.evaluate(module.Greys(), module.Dots(), rule="pck-v1", intervals=False)
    types = made.scores.dtypes
    assert [types[name].kind for name in ("value", "low", "high", "n")] == ["f", "f", "f", "i"]
    assert made.scores["low"].isna().all()


def test_a_prompt_shows_a_few_lines(result):
    lines = repr(result).splitlines()
    assert len(lines) <= 7
    assert lines[0].startswith("ResultSet: colours@")
    value = f"{100 * result.headline('kap-cvpr24'):.1f}"
    assert lines[1].startswith(f"  kap-cvpr24: KAP@0.10 {value} (")
    assert "1 more rule" in lines[-2]
    assert lines[-1] == "  kept in memory"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.every, self.text = [], set(), ""

    def handle_starttag(self, tag, attrs):
        self.every.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


HOSTILE = "<script>alert(1)</script>&\"'\x1b[2J\u202e"


def test_a_notebook_shows_a_table_with_every_text_escaped(result):
    card = result.card
    model = card.model.model_copy(update={"name": HOSTILE})
    rules = tuple(r.model_copy(update={"name": f"{HOSTILE}{r.name}"}) for r in card.rules)
    names = {r.name: new.name for r, new in zip(card.rules, rules, strict=True)}
    scores = tuple(s.model_copy(update={"rule": names[s.rule]}) for s in card.scores)
    update = {"model": model, "label": HOSTILE, "rules": rules, "scores": scores}
    hostile = ResultSet(RunCard(**(dict(card) | update)), None)
    tags = Tags()
    tags.feed(hostile._repr_html_())
    assert tags.open == []
    assert tags.every == {"table", "caption", "br", "small", "thead", "tbody", "tr", "th", "td"}
    assert tags.text.count("alert(1)") == 2 + len(rules)
    for shown in (tags.text, repr(hostile)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_a_run_for_debugging_says_so(result):
    data = result.card.dataset.model_copy(update={"limit": 5})
    limited = ResultSet(result.card.model_copy(update={"dataset": data}), None)
    assert "for debugging only" in repr(limited)
    assert "for debugging only" in limited._repr_html_()
