"""From records to run.json."""

from kapbench.progress import Progress
from kapbench.protocols import Dataset, Model
from kapbench.running.plan import SCORING_VERSION, Plan, kap_is_defined, model_kind, supervised
from kapbench.running.provenance import provenance
from kapbench.running.results import (
    SCHEMA_VERSION,
    DatasetCard,
    ModelCard,
    RuleCard,
    RunCard,
)
from kapbench.scoring.bootstrap import Resampling
from kapbench.scoring.rules import Rule
from kapbench.scoring.schema import Records
from kapbench.scoring.score_table import score_requests, score_table

SEED = 0


def make_card(
    model: Model,
    dataset: Dataset,
    plan: Plan,
    records: Records,
    *,
    device: str,
    started: str,
    seconds: float,
    records_sha256: str,
    intervals: bool,
    progress: Progress,
    seconds_per_image: float | None = None,
) -> RunCard:
    requests = score_requests(plan.rules, has_absent=kap_is_defined(dataset))
    with progress.stage(
        "scores and intervals" if intervals else "scores", len(requests)
    ) as advance:
        scores = score_table(
            records,
            plan.rules,
            supervised=supervised(model),
            has_absent=kap_is_defined(dataset),
            resampling=Resampling.of(records, seed=SEED) if intervals else None,
            advance=advance,
        )
    return RunCard(
        schema_version=SCHEMA_VERSION,
        model=model_card(model),
        dataset=_dataset_card(dataset, plan),
        rules=tuple(_rule_card(rule) for rule in plan.rules),
        plan_hash=plan.hash,
        provenance=provenance(
            scoring=SCORING_VERSION,
            device=device,
            started=started,
            seconds=seconds,
            seed=SEED,
            records=records_sha256,
            seconds_per_image=seconds_per_image,
        ),
        scores=tuple(scores),
    )


def model_card(model: Model) -> ModelCard:
    return ModelCard(
        name=model.name,
        revision=model.revision,
        kind=model_kind(model),
        conditions_on=tuple(model.conditions_on),
        similarity=getattr(model, "similarity", None),
        supervision=getattr(model, "supervision", "none"),
        trained_on=getattr(model, "trained_on", None),
        options=dict(getattr(model, "options", {})),
    )


def _rule_card(rule: Rule) -> RuleCard:
    return RuleCard(
        name=rule.name,
        hash=rule.hash,
        metric=rule.metric,
        headline=rule.headline,
        alphas=rule.alphas,
    )


def _dataset_card(dataset: Dataset, plan: Plan) -> DatasetCard:
    coverage = dataset.coverage
    return DatasetCard(
        name=dataset.name,
        revision=dataset.revision,
        split=dataset.split,
        licence=dataset.licence,
        categories=plan.categories,
        categories_expected=coverage.categories_expected,
        n_pairs=len(plan.pairs),
        n_pairs_expected=coverage.n_pairs_expected,
        n_images=len(plan.views),
        pairs_hash=plan.pairs_hash,
    )
