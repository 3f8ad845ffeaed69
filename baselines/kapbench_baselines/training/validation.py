"""Scores of a model in training on the val split, by the core's own evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kapbench.evaluation import evaluate
from kapbench.features.cached_encoder import CachedEncoder
from kapbench.processes.unfinished import temporary_folder
from kapbench.protocols import Dataset, Encoder

RULES = {"kap": "kap-cvpr24", "pck": "pck-sd-dino"}


@dataclass(frozen=True)
class Validator:
    """Scores on some categories of a data set.

    Args:
        build: A model of the encoder, a module in training and a revision.
        rules: Of kap and pck.
    """

    encoder: CachedEncoder
    dataset: Dataset
    categories: Sequence[str]
    build: Callable[[Any, Any, str], Encoder]
    rules: Mapping[str, str] = field(default_factory=lambda: RULES)

    def __call__(self, module: Any, step: int) -> dict[str, float]:
        model = self.build(self.encoder, module, f"in training, step {step}")
        return scores(model, self.dataset, self.categories, self.rules)

    def frozen(self) -> dict[str, float]:
        """Of the encoder alone."""
        return scores(self.encoder, self.dataset, self.categories, self.rules)


def scores(
    model: Encoder,
    dataset: Dataset,
    categories: Sequence[str] | None,
    rules: Mapping[str, str] = RULES,
) -> dict[str, float]:
    """KAP@0.10 and PCK@0.10 by their headline averages; KAP is NaN where a data set has none."""
    chosen = {k: r for k, r in rules.items() if k == "pck" or dataset.has_absent}
    with temporary_folder() as folder:
        result = evaluate(
            model,
            dataset,
            rule=list(chosen.values()),
            categories=categories,
            cache=folder,
            intervals=False,
        )
    return {key: result.headline(rule) for key, rule in chosen.items()}
