"""Mirror counterparts by two words in the names of keypoints."""

from collections.abc import Sequence

from kapbench.errors import KapbenchError


def mirror_by_words(names: Sequence[str], left: str, right: str) -> list[tuple[str, str]]:
    """Pairs of names that differ in one occurrence of `left` where the other has `right`.

    Raises:
        KapbenchError: a keypoint would have two counterparts.
    """
    known, pairs = set(names), []
    for name in names:
        others = {
            name[:i] + right + name[i + len(left) :]
            for i in range(len(name))
            if name.startswith(left, i)
        } & known
        pairs += [(name, other) for other in sorted(others)]
    paired = [name for pair in pairs for name in pair]
    twice = sorted({name for name in paired if paired.count(name) > 1})
    if twice:
        raise KapbenchError(
            f"The keypoint '{twice[0]}' would have two mirror counterparts",
            place=f"--mirror-names {left},{right}",
            fix="Give longer words, as in _l,_r",
        )
    return pairs
