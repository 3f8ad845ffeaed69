"""From records to run.json."""

from kapbench.datasets.altering.altered import alterations_of
from kapbench.progress import Progress
from kapbench.protocols import Dataset, Model, model_info, remarks_on
from kapbench.running.plan import Plan, kap_is_defined
from kapbench.running.provenance import provenance
from kapbench.running.request import OpenRun
from kapbench.running.results import (
    SCHEMA_VERSION,
    DatasetCard,
    ModelCard,
    RuleCard,
    RunCard,
    reads_annotation,
)
from kapbench.running.run_clock import Clock
from kapbench.scoring.bootstrap import SEED, Resampling, images_by_category
from kapbench.scoring.input_remarks import remarks_on_inputs
from kapbench.scoring.map_remarks import remarks_on_maps
from kapbench.scoring.schema import Needs, Records
from kapbench.scoring.score_table import score_requests, score_table
from kapbench.scoring.versions import SCORING_VERSION


def make_card(
    opened: OpenRun,
    records: Records,
    records_sha256: str,
    clock: Clock,
    seconds_per_image: float | None,
    progress: Progress,
) -> RunCard:
    dataset, plan = opened.dataset, opened.plan
    requests = score_requests(plan.rules, has_absent=kap_is_defined(dataset))
    with_intervals = opened.request.intervals and not reads_annotation(opened.info)
    stage = "scores and intervals" if with_intervals else "scores"
    with progress.stage(stage, len(requests)) as advance:
        scores = score_table(
            records,
            plan.rules,
            supervised=opened.info.supervised,
            window=opened.info.window,
            has_absent=kap_is_defined(dataset),
            resampling=Resampling.of(records, seed=SEED) if with_intervals else None,
            advance=advance,
        )
    return RunCard(
        schema_version=SCHEMA_VERSION,
        label=opened.request.label,
        command=opened.request.command,
        model=ModelCard.model_validate(opened.info, from_attributes=True),
        dataset=_dataset_card(dataset, plan, records, opened.request.limit),
        rules=tuple(RuleCard.of(rule) for rule in plan.rules),
        plan_hash=plan.hash,
        provenance=provenance(
            scoring=SCORING_VERSION,
            device=opened.device,
            started=clock.started,
            seconds=clock.seconds,
            seed=SEED,
            records=records_sha256,
            seconds_per_image=seconds_per_image,
            isolated=opened.protections,
        ),
        scores=tuple(scores),
        remarks=_remarks(opened, records, progress),
    )


def _remarks(opened: OpenRun, records: Records, progress: Progress) -> tuple[str, ...]:
    """What is said beside the scores, here and in tables."""
    info = opened.info
    rules = opened.plan.rules
    remarks = (
        *remarks_on_maps(records, Needs.of(rules, info.supervised, info.window)),
        *remarks_on_inputs(rules, info),
    )
    for remark in remarks if progress.says_remarks else ():
        progress.say(f"{info.name}: {remark}.")
    return remarks


def model_card(model: Model) -> ModelCard:
    return ModelCard.model_validate(model_info(model), from_attributes=True)


def _dataset_card(dataset: Dataset, plan: Plan, records: Records, limit: int | None) -> DatasetCard:
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
        images_by_category=images_by_category(records),
        pairs_hash=plan.pairs_hash,
        limit=limit,
        remarks=remarks_on(dataset),
        alterations=alterations_of(dataset),
    )
