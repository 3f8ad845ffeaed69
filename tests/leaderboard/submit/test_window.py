"""The check of a submission decodes with the window that the model declared."""

from toy_backbone import ToyData, ToyEncoder

from kapbench.evaluation import evaluate
from kapbench.running.results import ModelCard
from kapbench_leaderboard.submit.check_columns import wrong_columns
from kapbench_leaderboard.submit.check_scores import wrong_scores


class Windowed(ToyEncoder):
    window = 7


def test_scores_are_computed_again_with_the_declared_window(tmp_path):
    found = evaluate(Windowed(), ToyData("val"), rule="pck-geoaware-soft", cache=tmp_path)
    assert wrong_columns(found.card, found.records) == []
    assert list(wrong_scores(found.card, found.records, {})) == []
    without = found.card.model.model_dump() | {"window": None}
    card = found.card.model_copy(update={"model": ModelCard.model_validate(without)})
    assert "x@geoaware-soft5 is missing" in wrong_columns(card, found.records)
