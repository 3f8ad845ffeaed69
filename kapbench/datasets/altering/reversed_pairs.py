"""`reverse`: keypoints are matched from the target to the source."""

from collections.abc import Sequence
from dataclasses import replace

from kapbench.datasets.altering.altered import Altered
from kapbench.datasets.reading import longer_side
from kapbench.errors import KapbenchError
from kapbench.protocols import Dataset
from kapbench.types import Pair, View

REVERSE = "reverse"


class ReversedPairs(Altered):
    """Every pair with source and target swapped; T is that of the new target."""

    def __init__(self, original: Dataset) -> None:
        remark = "Pairs are reversed: keypoints are matched from the target to the source"
        super().__init__(original, REVERSE, remark)

    def pairs(self, categories: Sequence[str] | None = None) -> Sequence[Pair]:
        """
        Raises:
            KapbenchError: T of a pair is not what `size_from` says.
        """
        return [self._reverse(pair) for pair in self.original.pairs(categories)]

    def _reverse(self, pair: Pair) -> Pair:
        if pair.size != self._size_in(pair.target):
            raise KapbenchError(
                f"T of the pair '{pair.pair_id}' is {pair.size:g} px, which is not the longer side "
                f"of its target's {self.size_from}",
                place=f"data set {self.name}",
                fix="Leave reverse out: T of the reversed pair is not defined",
            )
        return replace(
            pair,
            pair_id=f"{pair.pair_id}.{REVERSE}",
            source=pair.target,
            target=pair.source,
            size=self._size_in(pair.source),
            # Of two categories without a pair group, the category would change with their order.
            pair_group=pair.pair_group if _of_one_category(pair) else pair.category,
        )

    def _size_in(self, view: View) -> float:
        """The longer side of the box or of the image, whichever T is of."""
        return longer_side(view.bbox) if self.size_from == "box" else float(max(view.size))


def _of_one_category(pair: Pair) -> bool:
    return pair.source.category == pair.target.category
