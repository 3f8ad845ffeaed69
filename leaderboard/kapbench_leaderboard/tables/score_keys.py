"""Which scores the views of a table show, by the keys of run.json."""

from dataclasses import dataclass, replace

from kapbench.scoring.geco_splits import ALONE, BOTH, COUNTERPART, KEYPOINT
from kapbench.scoring.part_scores import (
    CONCEPT,
    IDENTITY_CHANCE,
    IDENTITY_SHARE,
    SOCO_CC,
    WRONG_MEMBER,
)
from kapbench.scoring.score_table import ABSENCE_AUROC, KAP_SKILL
from kapbench.scoring.splits import TWIN_SPLIT
from kapbench_leaderboard.comparison.groups import Kind
from kapbench_leaderboard.tables.choices import View


@dataclass(frozen=True, slots=True)
class ScoreKey:
    """Which score of a rule; None: the rule's own metric and headline averages."""

    heading: str
    split: str = "all"
    metric: str | None = None
    average: str | None = None
    over: str | None = None

    @property
    def key(self) -> str:
        named = (self.metric, None if self.split == "all" else self.split, self.average, self.over)
        return ".".join(part for part in named if part)

    @property
    def skill(self) -> "ScoreKey":
        """The skill of a KAP."""
        return replace(self, metric=KAP_SKILL)


def _absence(heading: str, split: str = "all") -> ScoreKey:
    return ScoreKey(heading, split, ABSENCE_AUROC, "category", "mean")


def with_skill(*score_keys: ScoreKey) -> tuple[ScoreKey, ...]:
    return tuple(key for each in score_keys for key in (each, each.skill))


ABSENCE = (_absence("all"), _absence("twin", TWIN_SPLIT))
SPLITS: dict[View, dict[Kind, tuple[ScoreKey, ...]]] = {
    "symmetry": {
        "kap": (
            *with_skill(
                ScoreKey("all"),
                ScoreKey("symm.", "symmetric"),
                ScoreKey("other", "other"),
                ScoreKey("twin", TWIN_SPLIT),
            ),
            *ABSENCE,
        ),
        "pck": (
            ScoreKey("all"),
            ScoreKey("symm.", "symmetric"),
            ScoreKey("other", "other"),
            ScoreKey("confusion", metric="symmetry_confusion"),
        ),
    },
    "concept": {
        "kap": (),
        "pck": (
            ScoreKey("exact"),
            ScoreKey("concept", metric=CONCEPT),
            ScoreKey("wrong\nmember", metric=WRONG_MEMBER),
            ScoreKey("CC", metric=SOCO_CC),
            ScoreKey("identity", metric=IDENTITY_SHARE),
            ScoreKey("chance", metric=IDENTITY_CHANCE),
        ),
    },
    "geco": {
        "kap": tuple(ScoreKey(split, split) for split in (BOTH, KEYPOINT, ALONE)),
        "pck": (
            *(ScoreKey(split, split) for split in (BOTH, KEYPOINT, ALONE)),
            *(
                ScoreKey(f"{split}\nconfusion", split, "symmetry_confusion")
                for split in (BOTH, COUNTERPART)
            ),
        ),
    },
    "viewpoint": {
        kind: tuple(ScoreKey(f"view {i}", f"viewpoint={i}") for i in range(5))
        for kind in ("kap", "pck")
    },
    "occlusion": {
        kind: (
            ScoreKey("whole", "truncation=none"),
            ScoreKey("trunc.", "truncation=some"),
            ScoreKey("clear", "occlusion=none"),
            ScoreKey("occl.", "occlusion=some"),
        )
        for kind in ("kap", "pck")
    },
    "twin": {
        "kap": (
            *reversed(ABSENCE),
            *with_skill(ScoreKey("twin", TWIN_SPLIT), ScoreKey("all")),
            ScoreKey("AUROC", metric="auroc", average="category", over="mean"),
        ),
        "pck": (
            ScoreKey("all"),
            ScoreKey("dagger", metric="pck_dagger"),
            ScoreKey("confusion", metric="symmetry_confusion"),
        ),
    },
}
