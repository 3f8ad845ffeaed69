"""The loop on a task of one number: the frozen backbone's line, and which weights are kept."""

import json
import math
from dataclasses import dataclass, replace

import pytest
import torch
import toy_backbone
from click.testing import CliRunner
from torch import nn

from kapbench.errors import KapbenchError
from kapbench_baselines.canonical.train_command import asic, dve
from kapbench_baselines.geoaware.train_command import supervised
from kapbench_baselines.sphere.train_command import sphere
from kapbench_baselines.training import loop, trained_weights
from kapbench_baselines.training.history_plot import draw_curve
from kapbench_baselines.training.loop import BEST, Plan, Schedule, best_line, train
from kapbench_baselines.training.settings import TrainerSettings
from kapbench_baselines.training.tensor_files import read_tensors

TRAINERS = {
    "sphere": (sphere, ["--crops", "1"]),
    "dve": (dve, ["--warps", "1"]),
    "asic": (asic, ["--warps", "1"]),
    "geoaware.supervised": (supervised, []),
}
SCHEDULE = Schedule(validate_every=2, save_every=3)
KAPS = {2: 0.2, 4: 0.5, 6: 0.4, 8: 0.5, 9: 0.1}  # by step


@dataclass(frozen=True)
class Course(TrainerSettings):
    steps: int = 9
    rate: float = 0.1
    schedule: str = "constant"
    warm_up: float = 0.0
    weight_decay: float = 0.0
    average: float = 0.5
    clip: float = 0.0


class Rising:
    """A weight that grows at every step."""

    main, names = "weight", ("height",)

    def __init__(self):
        torch.manual_seed(0)
        self.modules = {"weight": nn.Linear(1, 1)}

    def prepare(self):
        pass

    def losses(self, generator, *, bf16, parts):
        return torch.rand(1, generator=generator) - self.modules["weight"].weight[0]

    def weighted(self, values):
        return values.sum()


class Judge:
    """Scores by step; notes what it was asked, and the weights then."""

    def __init__(self, kaps=KAPS):
        self.kaps, self.seen, self.n_frozen = kaps, {}, 0

    def __call__(self, module, step):
        self.seen[step] = module.weight.item()
        return {"kap": self.kaps[step], "pck": 1 - step / 10}

    def frozen(self):
        self.n_frozen += 1
        return {"kap": 0.9, "pck": 0.3}


def run(out, judge, *, frozen=True, stop_at=None, keep=BEST):
    return train(
        Rising(),
        Course(),
        Plan(out, "rising", 0, keep=keep),
        validate=judge,
        frozen=judge.frozen if frozen else None,
        schedule=replace(SCHEDULE, stop_at=stop_at),
    )


def history(out):
    return json.loads((out / "history.json").read_text())


def test_step_0_is_the_frozen_backbones_and_found_once(tmp_path):
    judge = Judge()
    run(tmp_path, judge, stop_at=4)
    assert history(tmp_path)[0] == {"step": 0, "kap": 0.9, "pck": 0.3}
    run(tmp_path, judge)
    run(tmp_path, judge)  # finished
    assert judge.n_frozen == 1
    assert [line["step"] for line in history(tmp_path)] == [0, 2, 4, 6, 8, 9]


def test_a_training_from_before_that_line_gets_it(tmp_path):
    judge = Judge()
    run(tmp_path, judge, frozen=False)
    assert history(tmp_path)[0]["step"] == 2
    for _ in range(2):
        state = run(tmp_path, judge)
    assert judge.n_frozen == 1
    assert state.history == history(tmp_path)
    assert [line["step"] for line in state.history] == [0, 2, 4, 6, 8, 9]


@pytest.mark.parametrize("stops", [(), (4,), (5,), (3, 7, 8)])
def test_the_best_weights_are_kept_through_kills(tmp_path, stops):
    """The first of two equals; the frozen backbone's higher score is no weights'."""
    judge = Judge()
    for stop in stops:
        run(tmp_path, judge, stop_at=stop)
    kept = loop.kept(run(tmp_path, judge), BEST)
    assert (kept.step, kept.scores) == (4, {"kap": 0.5, "pck": pytest.approx(0.6)})
    assert kept.module.weight.item() == judge.seen[4] != judge.seen[9]
    again = loop.kept(run(tmp_path, judge), BEST)  # finished: read back
    assert again.module.weight.item() == judge.seen[4]


def test_the_last_weights_are_kept_by_default(tmp_path):
    judge = Judge()
    state = run(tmp_path, judge, keep=loop.LAST)
    kept = loop.kept(state, loop.LAST)
    assert (kept.step, kept.scores["kap"]) == (9, 0.1)
    assert kept.module.weight.item() == judge.seen[9]
    assert Plan(tmp_path, "", 0).keep == loop.LAST


def test_best_weights_that_were_not_kept_are_not_made_up(tmp_path):
    run(tmp_path, Judge(), keep=loop.LAST, stop_at=6)
    with pytest.raises(KapbenchError, match="did not keep its best weights") as caught:
        run(tmp_path, Judge())
    assert "--keep last" in str(caught.value)


def test_best_weights_of_before_a_stretch_without_them_are_forgotten(tmp_path):
    run(tmp_path, Judge(), stop_at=3)
    run(tmp_path, Judge(), keep=loop.LAST, stop_at=6)
    with pytest.raises(KapbenchError, match="did not keep its best weights"):
        run(tmp_path, Judge())


def test_a_finished_training_that_was_never_validated_has_no_best(tmp_path):
    train(Rising(), Course(), Plan(tmp_path, "rising", 0))
    with pytest.raises(KapbenchError, match="did not keep its best weights"):
        run(tmp_path, Judge())
    assert run(tmp_path, Judge(), keep=loop.LAST).step == Course().steps


def test_a_training_that_was_not_validated_yet_may_still_keep_its_best(tmp_path):
    train(Rising(), Course(), Plan(tmp_path, "rising", 0), schedule=replace(SCHEDULE, stop_at=3))
    judge = Judge()
    assert loop.kept(run(tmp_path, judge), BEST).step == 4


def test_without_validation_there_is_no_best(tmp_path):
    with pytest.raises(KapbenchError, match="no val scores to choose the best weights by"):
        train(Rising(), Course(), Plan(tmp_path, "rising", 0, keep=BEST))
    assert not list(tmp_path.iterdir())


def test_best_is_by_kap_or_by_pck_where_there_is_none():
    lines = [
        {"step": 0, "kap": 0.9, "pck": 0.9},
        {"step": 1, "kap": math.nan, "pck": 0.8},
        {"step": 2, "kap": 0.2, "pck": 0.1},
        {"step": 3, "kap": 0.1, "pck": 0.7},
    ]
    assert best_line(lines)["step"] == 2
    bare = [{k: v for k, v in line.items() if k != "kap"} for line in lines]
    assert best_line(bare)["step"] == 1
    assert best_line([{"step": 3, "height": 0.5}]) is None


def test_the_curve_shows_the_frozen_backbone(tmp_path):
    lines = [{"step": n, "height": 1.0, "kap": 0.5, "pck": 0.5} for n in (2, 4)]
    for name, first in (("bare", []), ("beside", [{"step": 0, "kap": 0.3, "pck": 0.3}])):
        draw_curve([*first, *lines], ("height",), tmp_path / name)
    bare, beside = (tmp_path / "bare").read_bytes(), (tmp_path / "beside").read_bytes()
    assert bare.startswith(b"\x89PNG")
    assert beside != bare


@pytest.mark.parametrize("method", TRAINERS)
def test_every_method_keeps_its_best_and_names_its_backbones_score(method, tmp_path):
    command, more = TRAINERS[method]
    done = CliRunner().invoke(command, toy_backbone.words(tmp_path, *more, "--keep", "best"))
    assert done.exit_code == 0, done.output
    assert "step 0: the frozen backbone  val KAP" in done.output
    first, *lines = history(tmp_path / "out")
    assert (first["step"], set(first)) == (0, {"step", "kap", "pck"})
    best = best_line(lines)
    _, metadata = read_tensors(tmp_path / "out" / "weights.safetensors", "")
    card = json.loads(metadata["card"])
    assert (card["kept_step"], card["scores"]["kap"]) == (best["step"], best["kap"])
    text = (tmp_path / "out" / trained_weights.CARD).read_text()
    frozen, own = (
        f"KAP@0.10 {100 * line['kap']:.1f}, PCK@0.10 {100 * line['pck']:.1f}"
        for line in (first, best)
    )
    assert f"frozen toy {frozen}" in text
    assert f"{own} at step {best['step']}, whose weights these are" in text


def test_slow_steps_are_saved_by_the_clock(tmp_path):
    saved = []
    for seconds, stop in ((1e9, 2), (0.0, 2)):
        out = tmp_path / str(seconds)
        schedule = replace(SCHEDULE, save_after_s=seconds, stop_at=stop)
        train(Rising(), Course(), Plan(out, "rising", 0), schedule=schedule)
        saved.append((out / loop.STATE).is_file())
    assert saved == [False, True]
