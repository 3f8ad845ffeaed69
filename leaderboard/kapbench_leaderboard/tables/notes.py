"""The notes under a table: what its numbers mean, and what to know before comparing them."""

from collections.abc import Sequence
from itertools import chain

from kapbench.datasets.overlaps import describe_overlaps
from kapbench.errors import name_first
from kapbench.running.results import DatasetCard, RuleCard, RunCard, reads_annotation
from kapbench.scoring.score_table import ABSENCE_AUROC, KAP_SKILL
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.groups import Group, Kind
from kapbench_leaderboard.tables.choices import WITH_N, View
from kapbench_leaderboard.tables.columns import NAME, NO_RANDOM_RUN, Column, rules_of

_AVERAGES = {
    "category": "pooled per category",
    "pair": "per pair",
    "image": "per image",
    "point": "per point",
}
_OVER = {
    "mean": "mean over categories",
    "pair_weighted": "weighted by scored pairs over categories",
    "pooled": "pooled over categories",
    "negative_weighted": "weighted by negatives over categories",
}
HIGHEST = "Highest possible scores (oracle): "
_NO_KAP = (
    "KAP was not scored. It is not defined if no keypoint can be absent, or if T is the image size."
)
# By a part of a column's key: a note stands under the tables that have such a column.
_EXPLAINED = {
    KAP_SKILL: (
        "KAP skill: 0 is what scores that all tie get, 100 the highest possible KAP. A skill below 0 "
        "means that wrong matches get the higher scores."
    ),
    ABSENCE_AUROC: (
        "absence AUROC: chance that a visible keypoint gets a higher best score than an absent one, "
        "50 without any information. twin: only keypoints with a mirror counterpart, absent ones only "
        "where the counterpart is visible."
    ),
    ".symmetric": (
        "symm.: keypoints with a mirror counterpart or a repeated part. other: all other keypoints."
    ),
    f"@{TWIN_SPLIT}": (
        "KAP twin: absent keypoints whose mirror counterpart is visible, against visible keypoints. "
        "Both classes have equal weight, so a constant score gets about 50."
    ),
    ".symmetry_confusion": (
        "confusion: share of keypoints with a visible mirror counterpart that are matched to the "
        "counterpart; low, too, where a model finds little at all."
    ),
    ".n10": (
        "n11, n10, n1x, n01 (GECO): whether the target shows the keypoint (first digit) and its mirror "
        "counterpart (second; x: it has none). KAP and PCK are scored where it shows the keypoint."
    ),
    ".pck_dagger": (
        "dagger: PCK†, which also requires that no other keypoint is nearer to the predicted point."
    ),
    "geo@": "geo: PCK of keypoints whose part the target shows at least twice.",
    "pck_concept@": (
        "exact: PCK. concept: a match within α·T of another visible member of the keypoint's part "
        "counts too. The part is its part group, or else the keypoint and its mirror counterpart. Both "
        "are of keypoints that are visible in both images."
    ),
    "wrong_member@": (
        "wrong member: concept less exact, the right part on the wrong side or the wrong repetition; "
        "low, too, where a model finds few parts."
    ),
    "pck_cc@": (
        "CC: as concept, and an absent keypoint counts too where the target shows another member of "
        "its part, as SOCO defines it."
    ),
    "identity": (
        "identity: whether the keypoint is the most similar one among the visible members of its part, "
        "where there are at least two; ties share the point. α does not enter. chance: the mean of 1 / "
        "number of visible members."
    ),
    ".viewpoint=": (
        "view 0-4: difference of the two azimuths in steps of 45°, where both are known."
    ),
    ".truncation=": (
        "trunc., occl.: truncated or occluded in at least one image, where this is annotated. whole, "
        "clear: in neither image."
    ),
}
_N_OF_KAP = (
    "n of KAP, its skill and its AUROC: the samples, two of each visible keypoint, its best scores "
    "within α·T and outside, and one of each absent keypoint; in the twin split one of each keypoint."
)
_N_OF_OTHERS = "n of other scores: the keypoints that the column counts, in all pairs."
_N = "n: the keypoints that the column counts, in all pairs."  # of tables without a KAP
_N_OF_PAIRS = (
    "Where a score is a mean per image or per pair, n is the number of pairs that have one."
)


def rule_words(rule: RuleCard, alpha: float | None = None) -> str:
    """What a rule's numbers are; `alpha`: for tables whose headings do not name it."""
    average, over = rule.headline
    words = f"{_AVERAGES.get(average, average)}, {_OVER.get(over, over)}"
    at = "" if alpha is None else f"@{alpha:.2f}"
    return f"{NAME[rule.metric]}{at} by {rule.name} ({rule.hash}): {words}."


def about(members: Group, view: View, kind: Kind | None, metric: str | None = None) -> list[str]:
    """One line for each rule; `metric`: as `columns` takes it."""
    of_skill = "The skill of " if metric == KAP_SKILL else ""
    rules = rules_of(members, view)
    return [of_skill + rule_words(r) for r in rules if kind in (None, r.metric)]


def limited(data: DatasetCard) -> list[str]:
    """That a run is for debugging."""
    if data.limit is None:
        return []
    n_pairs = f"{data.n_pairs:,} of {data.n_pairs_expected:,} pairs"
    return [f"For debugging only: --limit {data.limit} was given, so {n_pairs} were scored."]


def remarks(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What was in doubt in the data set's files, with the models where their runs differ in it."""
    labels_of: dict[str, list[str]] = {}
    for label, card in named:
        for remark in card.dataset.remarks:
            labels_of.setdefault(remark.rstrip("."), []).append(label)
    return [
        f"Data set: {remark}."
        if len(labels) == len(named)
        else f"Data set, in the run of {', '.join(labels)}: {remark}."
        for remark, labels in labels_of.items()
    ]


def remarks_on_maps(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What each run says of its model's maps."""
    return [f"{label}: {remark}." for label, card in named for remark in card.remarks]


def about_runs(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What to know of each run, and of its model."""
    return [*same_names(named), *models(named), *overlaps(named), *remarks_on_maps(named)]


def overlaps(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What a model's training split shares with the split that it is scored on."""
    labels_of: dict[str, list[str]] = {}
    for label, card in named:
        data = card.dataset
        for overlap in describe_overlaps(card.model.trained_on, data.name, data.split):
            labels_of.setdefault(overlap, []).append(label)
    return [f"{', '.join(labels)}: {overlap}." for overlap, labels in labels_of.items()]


def same_names(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What tells runs of one model and revision apart, whose labels are numbered."""
    runs_of: dict[tuple[str, ...], list[tuple[str, RunCard]]] = {}
    for label, card in named:
        key = (card.model.name, card.label or "", card.model.revision[:12])
        runs_of.setdefault(key, []).append((label, card))
    notes = []
    for runs in runs_of.values():
        shared = set.intersection(*({(r.name, r.hash) for r in card.rules} for _, card in runs))
        for label, card in runs if len(runs) > 1 else ():
            facts = ["isolated"] if card.provenance.isolated else []
            if more := [r.name for r in card.rules if (r.name, r.hash) not in shared]:
                facts.append(f"also scored by {name_first(more)}")
            started = card.provenance.started[:19].replace("T", " ")
            notes.append(f"{label}: {', '.join([*facts, f'started {started}'])}.")
    return notes


def explained(members: Group, view: View, columns: Sequence[Column]) -> list[str]:
    """What the headings mean; for a summary without KAP, why KAP is missing."""
    if view != "summary" or members.rule_of("kap"):
        keys = [column.key for column in columns]
        # KAP of the twin split, and not the AUROC of the same name.
        keys += [f"@{TWIN_SPLIT}" for key in keys if "@" in key and key.endswith(TWIN_SPLIT)]
        return [words for part, words in _EXPLAINED.items() if any(part in key for key in keys)]
    names = dict.fromkeys(r.name for c in members.cards for r in c.rules if r.metric == "kap")
    if not names:
        return ["No KAP rule was asked for."] if members.rules_are_named else [_NO_KAP]
    return [f"KAP is not among the selected rules. These runs have {', '.join(names)}."]


def on_n(members: Group, view: View, kind: Kind | None) -> list[str]:
    """What the row n counts, of the views that have it."""
    if view not in WITH_N:
        return []
    rules = [r for r in rules_of(members, view) if kind in (None, r.metric)]
    per_pair = any(rule.headline[0] in ("image", "pair") for rule in rules)
    if all(rule.metric == "pck" for rule in rules):
        notes = [_N]
    else:
        notes = [_N_OF_KAP] if kind == "kap" else [_N_OF_KAP, _N_OF_OTHERS]
    return [*notes, _N_OF_PAIRS] if per_pair else notes


def definitions(members: Group, view: View) -> set[str]:
    """Notes that say what rules and titles mean, and nothing of the runs of a table."""
    of_rules = [about(members, view, None, metric) for metric in (None, KAP_SKILL)]
    of_n = (_N_OF_KAP, _N_OF_OTHERS, _N, _N_OF_PAIRS)
    return {*_EXPLAINED.values(), *of_n, *chain.from_iterable(of_rules)}


def controls(members: Group, view: View, kind: Kind | None, alpha: float) -> list[str]:
    """The highest possible scores, and the control that KAP is compared with, if no row shows it."""
    rules = [r for r in rules_of(members, view) if kind in (None, r.metric)]
    kap_rules = [rule for rule in rules if rule.metric == "kap"]
    out = []
    oracle, random = members.control("oracle"), members.control("random")
    if oracle and (highest := _headlines(oracle, rules, alpha)):
        out.append(f"{HIGHEST}{highest}.")
    if view in ("summary", "geco") or not kap_rules or random in members.cards:
        # The skill says how far a KAP is from chance, or a row shows the control. GECO's splits have no
        # absent keypoints, so that the control's KAP over all is another scale.
        return out
    if random is None:
        out.append(NO_RANDOM_RUN)
    elif scores := _headlines(random, kap_rules, alpha):
        out.append(f"The control `random` on these pairs: {scores}.")
    return out


def _headlines(card: RunCard, rules: Sequence[RuleCard], alpha: float) -> str:
    rows = [(rule, card.headline(rule, alpha)) for rule in rules]
    return ", ".join(
        f"{rule.name}@{alpha:.2f} {100 * row.value:.1f}"
        for rule, row in rows
        if row is not None and row.value is not None
    )


def _inputs(conditions: Sequence[str]) -> str:
    return " and ".join(
        "mirror counterparts (twins)" if c == "twins" else f"the {c}" for c in conditions
    )


def models(named: Sequence[tuple[str, RunCard]]) -> list[str]:
    """What each model conditions on, was trained with and on, and how it wants to be decoded."""
    labels_of: dict[tuple[str, ...], list[str]] = {}
    for label, card in named:
        model, facts = card.model, []
        if model.conditions_on:
            facts.append(f"also sees {_inputs(model.conditions_on)}")
        if reads_annotation(model):
            facts.append("reads the annotation of the target")
        elif model.supervision != "none":
            facts.append(f"supervision: {model.supervision}")
        if model.trained_on:
            facts.append(f"trained on {model.trained_on}")
        if model.window is not None:
            facts.append(
                f"its own soft-argmax window of {model.window} cells in rules that leave it open"
            )
        if facts:
            labels_of.setdefault(tuple(facts), []).append(label)
    return [
        f"{', '.join(labels)}: {', '.join(facts if len(labels) == 1 else map(_of_several, facts))}."
        for facts, labels in labels_of.items()
    ]


def _of_several(fact: str) -> str:
    """The verb of a fact in the plural."""
    for singular, plural in {"also sees ": "also see ", "reads ": "read "}.items():
        if fact.startswith(singular):
            return plural + fact.removeprefix(singular)
    return fact
