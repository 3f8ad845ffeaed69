"""Versions of scoring, and which rules each changed: runs of two versions share a table where none of
its rules was changed between them.

3: the nearest cell in original pixels is the first of equally near ones, and cells are not rounded
   there; `geo-published-point` drops the ids that no image shows; the symmetry confusion compares as
   its rule does; by pair, a category without a positive has no score.
4: intervals of scores are taken on the logit scale; in each resample the negatives of the twin split
   weigh as much as its positives do there; a category without a negative has no KAP; controls that
   read the annotation have no interval.
5: no rule's numbers change; records have the column `identity`, and beside PCK stand the scores of
   parts (`part_scores`).
"""

from kapbench.scoring.rules import KapRule, Rule

SCORING_VERSION = 5  # raised where the same maps would give other rows, scores or intervals
_ALL_RULES = (1, 2, 4)  # versions that changed every rule


def last_change(rule: Rule, scoring: int) -> int:
    """The latest version of scoring, up to the version `scoring`, that changed a rule's numbers."""
    if scoring in _ALL_RULES or scoring > SCORING_VERSION:  # what later versions change is unknown
        return scoring
    if scoring > _ALL_RULES[-1]:
        return _ALL_RULES[-1]
    return 3 if _changed_in_3(rule) else 2


def _changed_in_3(rule: Rule) -> bool:
    if isinstance(rule, KapRule):
        of_pairs = "pair" in rule.averages and rule.absent == "negative"
        return rule.geometry.frame_px is None or of_pairs
    decodes = (rule.decode, rule.decode_supervised)
    in_original_pixels = any(d is not None and d.offset == "centre" for d in decodes)
    closed = rule.closed and rule.decode.frame == "letterbox"  # the other frames are younger
    return in_original_pixels or closed or rule.subset == "repeated-renumbered"
