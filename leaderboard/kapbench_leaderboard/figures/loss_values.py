"""What the figures of losses show of a run, and of the change between two runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapbench.scoring.intervals import Interval
from kapbench_leaderboard.figures.captions import data_words, rule_words
from kapbench_leaderboard.figures.run_view import RunView


@dataclass(frozen=True, slots=True)
class LossBar:
    """A run's KAP and Shapley shares, in 0 … 1; `kap` and the shares add up to 1.

    `name`: as `tables.build.labels` writes it. `kap`: NaN where the score is not defined. `shares`:
    by type, one for each of `loss_types.TYPES`. `interval`: of KAP; None: unknown. `is_control`: the
    run is of a control or a reference model, and is set apart.
    """

    name: str
    kap: float
    interval: tuple[float, float] | None
    shares: Mapping[str, float]
    is_control: bool = False


@dataclass(frozen=True, slots=True)
class LossStep:
    """What one type adds to KAP from one run to another: its share in the first less in the second.

    `p`: of the paired difference, after Holm's correction over the types; NaN: no test.
    """

    type: str
    change: Interval
    p: float


@dataclass(frozen=True, slots=True)
class LossChange:
    """From the run `before` to the run `after`: KAP in 0 … 1, and a step for each type.

    The steps add up to the difference of KAP. `no_interval`: why they have none, as a clause.
    """

    before: str
    after: str
    kap_before: float
    kap_after: float
    steps: Sequence[LossStep]
    no_interval: str | None = None


def subject(run: RunView, part: str | None = None) -> str:
    """Data set, split, rule and alpha of a run, for the title of a figure.

    Args:
        part: What of the run is shown, e.g. a category or a split; None: all of it.
    """
    rule = run.kap_rule
    words = [data_words(run.card.dataset, run.category), *([part] if part else [])]
    return ": ".join([*words, rule_words(rule, run.at(rule))])
