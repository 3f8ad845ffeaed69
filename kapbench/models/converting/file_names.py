"""Which saved array belongs to which image: several spellings of an image's id, none guessed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
JOINTS = ("_", "__", "-", ".", ":", "+", "@")


@dataclass(frozen=True, slots=True)
class Matched:
    """What names were taken for.

    Args:
        name_of: Name of the array of each image.
        spellings: How many names are spelt in each way, in words.
        missing: Images without an array.
        unused: Names that belong to no image.
        ambiguous: Names that may mean several images: name and images, or image and names.
    """

    name_of: dict[str, str]
    spellings: Counter[str] = field(default_factory=Counter)
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)


def match_names(
    names: Sequence[str],
    image_ids: Sequence[str],
    *,
    suffix: str = "",
    are_one_image: Callable[[Sequence[str]], bool] = lambda _: False,
) -> Matched:
    """Finds each image's array by its name.

    An image `cat/1` is spelt, in order of preference, as the end of a path (`cat/1`, `out/cat/1`), with
    a joint in place of the slash (`cat_1`, `cat-1`, ...), or, where all names lie in one folder, by its
    last part (`1`). The ending of an image (`1.jpg`) may stand behind.

    Args:
        names: Relative paths without the ending of the format, or names inside of one file.
        suffix: What stands behind the id in every name.
        are_one_image: Whether images that share their last part show the same pixels.
    """
    ways = _ways(names, image_ids)
    names_of: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    ambiguous: dict[str, tuple[str, ...]] = {}
    unused = []
    for name in names:
        rank, words, ids = _images_of(name, suffix, ways)
        if len(ids) > 1 and not are_one_image(ids):
            ambiguous[name] = tuple(ids)
        elif not ids:
            unused.append(name)
        else:
            for image_id in ids:
                names_of[image_id].append((rank, name, words))
    name_of, spellings = {}, Counter[str]()
    for image_id, spelt in names_of.items():
        best = min(rank for rank, _, _ in spelt)
        first, *others = [(name, words) for rank, name, words in spelt if rank == best]
        unused += [name for rank, name, _ in spelt if rank > best]
        if others:
            ambiguous[image_id] = (first[0], *(name for name, _ in others))
        name_of[image_id] = first[0]
        spellings[first[1]] += 1
    unclear = {i for ids in ambiguous.values() for i in ids}
    missing = tuple(i for i in image_ids if i not in name_of and i not in unclear)
    return Matched(name_of, spellings, missing, tuple(unused), ambiguous)


_Ways = list[tuple[str, dict[str, list[str]], bool]]


def _ways(names: Sequence[str], image_ids: Sequence[str]) -> _Ways:
    """Words, images by their spelling, and whether a spelling is the whole path of a name."""
    by_path: dict[str, list[str]] = {image_id: [image_id] for image_id in image_ids}
    joined, bare = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for image_id in image_ids:
        bare[image_id.rpartition("/")[2]].append(image_id)
        for text in {image_id.replace("/", joint) for joint in JOINTS} - {image_id}:
            joined[text].append(image_id)
    ways: _Ways = [("by its path", by_path, True), ("with the path joined", dict(joined), False)]
    if len({name.rpartition("/")[0] for name in names}) == 1:
        ways.append(("by its last part", dict(bare), False))
    return ways


def _images_of(name: str, suffix: str, ways: _Ways) -> tuple[int, str, list[str]]:
    """Rank of the spelling, the spelling in words, and the images that it may mean."""
    if not name.endswith(suffix):
        return 0, "", []
    own = name.removesuffix(suffix)
    endings = [ending for ending in IMAGE_ENDINGS if own.lower().endswith(ending)]
    forms = [own, *(own[: -len(ending)] for ending in endings)]
    for rank, (words, images, is_path) in enumerate(ways):
        for form in forms:
            parts = form.split("/")
            tails = ["/".join(parts[i:]) for i in range(len(parts))] if is_path else [parts[-1]]
            for tail in tails:
                if tail in images:
                    return rank, words, images[tail]
    return 0, "", []


def common_suffix(unused: Sequence[str], missing: Sequence[str]) -> str | None:
    """What stands behind the id of a missing image in an unused name, e.g. `_feat`."""
    for image_id in missing[:100]:
        last = image_id.rpartition("/")[2]
        for name in unused:
            own = name.rpartition("/")[2]
            if own.startswith(last) and len(own) > len(last) and own[len(last)] in "_-.":
                return own[len(last) :]
    return None
