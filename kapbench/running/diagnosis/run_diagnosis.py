"""The diagnosis of one run: what `ResultSet.diagnose` returns, and `kapbench diagnose` prints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64

from kapbench.running.results import RunCard
from kapbench.scoring.diagnosis.diagnose import Diagnosis
from kapbench.scoring.diagnosis.kap_losses import KapLosses
from kapbench.scoring.diagnosis.loss_types import TYPES
from kapbench.scoring.diagnosis.quantity import Quantity
from kapbench.scoring.rules import KapRule, PckRule
from kapbench.scoring.schema import GROUP_ERROR_PX, ON_OBJECT, OTHER_ERROR_PX

# Types and places that no row has where the records lack the column.
ONLY_WITH = {
    GROUP_ERROR_PX: ("repeated part",),
    OTHER_ERROR_PX: ("other keypoint",),
    ON_OBJECT: ("elsewhere on the object", "background"),
}
By = Literal["category", "keypoint", "split"]


@dataclass(frozen=True, eq=False)
class Group:
    """Keypoints that are diagnosed together: of all categories (`number` None), or of one group."""

    split: str
    category: str  # a category's name, or how categories were averaged, as in `Score`
    keypoint: int | None
    diagnosis: Diagnosis
    number: int | None

    def loss(self, kind: Literal["gain", "share"], error_type: str) -> Quantity:
        """KeyError where KAP is not defined."""
        return (self.diagnosis.gains if kind == "gain" else self.diagnosis.shares)[error_type]

    def place(self, name: str) -> Quantity:
        """Share of PCK's keypoints that are matched there; KeyError by keypoint, which have none."""
        return self.diagnosis.places[name]

    @property
    def kap(self) -> float:
        """0–1; NaN without a positive sample."""
        return self._of(self._losses.score)

    def keypoints(self, error_type: str) -> tuple[int, float]:
        """Rows whose error is of this type: their number, and their share."""
        n = self._losses.n
        number = TYPES.index(error_type)
        with np.errstate(invalid="ignore"):
            shares = n[:, number] / n.sum(axis=1)
        rows = n[:, number] if self.number is None else n[self.number, number]
        return int(rows.sum()), self._of(shares)

    @property
    def _losses(self) -> KapLosses:
        if self.diagnosis.kap is None:
            raise ValueError("KAP is not defined")
        return self.diagnosis.kap

    def _of(self, values: Float64[np.ndarray, "g"]) -> float:
        if self.number is not None:
            return float(values[self.number])
        weights = self.diagnosis.weights
        if weights is None:
            raise ValueError("keypoints have no average")
        return float((weights * values)[weights > 0].sum()) if weights.any() else float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class RunDiagnosis:
    """Where a run's score is lost, by one rule of KAP and one of PCK at one alpha.

    `kap`: None where KAP is not defined. `by`: what the tables are divided by; None: nothing.
    Values are 0–1 as in files, intervals are the 95 % ones of the same resamples as a score's.
    """

    card: RunCard
    kap: KapRule | None
    pck: PckRule
    alpha: float
    by: By | None
    of_split: Mapping[str, Diagnosis]  # "all"; by split, every other one too
    of_keypoints: Diagnosis | None
    measures: Mapping[str, Quantity]  # by the keys of scoring.diagnosis.skills.MEASURES
    held_precision: float  # as of scoring.diagnosis.skills; NaN without KAP
    tied_peaks: float  # share of the rows of type "second peak"; as of loss_types.tied_share
    object_from: Mapping[str, float]  # "mask", "box", "unknown": share of the rows

    @cached_property
    def losses(self) -> pd.DataFrame:
        """What each type of error costs in KAP; empty where KAP is not defined.

        Columns: `split`, `category` (a name, or how categories were averaged), `keypoint` (by
        keypoint alone), `type`, `n` (rows), `keypoints` (their share), `gain` (KAP with this type
        repaired, less KAP), `loss` (Shapley share: the mean over all orders of repairing the types),
        and the ends of the intervals of the last two, `gain_low` … `loss_high`. The losses of a
        group add up to 1 − KAP.
        """
        from kapbench.running.diagnosis import frames

        return frames.losses(self)

    @cached_property
    def places(self) -> pd.DataFrame:
        """Where the matches of visible keypoints lie: shares of PCK's keypoints, which add up to 1.

        Columns: `split`, `category`, `place`, `share`, `low`, `high`. Keypoints have none.
        """
        from kapbench.running.diagnosis import frames

        return frames.places(self)

    @cached_property
    def skills(self) -> pd.DataFrame:
        """KAP and its skill, absence detection, localisation and threshold transfer.

        Columns: `key`, `skill` (score, absence detection, …), `measure` (in words),
        `category`, `value`, `low`, `high`, `chance` (what scores that all tie get; NaN: unknown).
        """
        from kapbench.running.diagnosis import frames

        return frames.skills(self)

    @property
    def sentence(self) -> str:
        """The largest loss, in one sentence."""
        from kapbench.running.diagnosis.sentence import sentence

        return sentence(self)

    def __repr__(self) -> str:
        from kapbench.running.diagnosis.show_diagnosis import lines_of

        return "\n".join(lines_of(self))

    def _repr_html_(self) -> str:
        from kapbench.running.diagnosis.show_diagnosis import html_of

        return html_of(self)

    def minus(self, baseline: "RunDiagnosis") -> pd.DataFrame:
        """Paired differences of every number, this run less the baseline, on the same resamples.

        Columns: `kind` (gain, loss, place or skill), `split`, `category`, `keypoint`, `name`,
        `baseline`, `value`, `difference`, `low`, `high`, `p`, and `p_holm`, corrected over the names
        of one kind and group.

        Raises:
            KapbenchError: the runs have other pairs, rules, alpha, or columns of records.
        """
        from kapbench.running.diagnosis.paired import difference_frame

        return difference_frame(baseline, self)

    def groups(self) -> Iterator[Group]:
        """In the order of the tables; an average after its categories."""
        every = self.of_split["all"]
        if self.by == "keypoint" and self.of_keypoints is not None:
            for number, (category, keypoint) in enumerate(self.of_keypoints.groups):
                yield Group("all", category, keypoint, self.of_keypoints, number)
            return
        if self.by == "category":
            for number, (category, _) in enumerate(every.groups):
                yield Group("all", category, None, every, number)
        for split in self.of_split:
            yield self._average(split)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of error that the columns of the records tell apart."""
        return tuple(name for name in TYPES if name not in self._merged)

    @property
    def place_names(self) -> tuple[str, ...]:
        """The places that the columns of the records tell apart."""
        return tuple(n for n in self.of_split["all"].places if n not in self._merged)

    @property
    def _merged(self) -> list[str]:
        return [name for c in self.of_split["all"].missing for name in ONLY_WITH[c]]

    @property
    def overall(self) -> Group:
        """All keypoints, averaged over categories."""
        return self._average("all")

    def _average(self, split: str) -> Group:
        over = (self.kap or self.pck).headline[1]
        return Group(split, over, None, self.of_split[split], None)
