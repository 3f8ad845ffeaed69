"""Any COCO-keypoints file as a data set: `coco:FILE`."""

from pathlib import Path

from kapbench.datasets import reading
from kapbench.datasets.coco.file import CocoCategory, open_coco
from kapbench.datasets.coco.views import Views
from kapbench.datasets.images import read_own, read_upright
from kapbench.datasets.pair_list import PairList, pair_by_box
from kapbench.datasets.pairing import PairRule, describe_no_pairs, remark_on_one_photograph
from kapbench.datasets.symmetry import Symmetry, is_sound, mirror_by_name, of_table, read_symmetry
from kapbench.errors import KapbenchError


def coco(
    path: str,
    split: str = "test",
    images: str | None = None,
    pairs: int | None = None,
    seed: int = 0,
    min_shared: int = 1,
    occluded: bool = True,
    exif: bool | None = None,
    symmetry_file: str | None = None,
    same_photograph: bool = False,
    strict: bool = False,
) -> PairList:
    """Any COCO-keypoints file; each annotation with keypoints is an image of its category.

    T is the longer side of the target's box. Mirror counterparts are the category's flip_pairs,
    else keypoints whose names differ in left and right; counterparts are one part group.

    Args:
        path: The JSON file.
        split: test, as a file is one split.
        images: Folder of the photographs; by default that of the file, or images or data beside it.
        pairs: Per category, drawn with `seed`; None: all that share `min_shared` keypoints.
        occluded: Whether keypoints that are labelled but hidden count as visible.
        exif: Whether photographs are rotated as EXIF says; keypoints then refer to the rotated
            ones. By default as keypoints and boxes fit, which a remark says.
        symmetry_file: Another table of groups and mirror twins, see docs/datasets/README.md.
        same_photograph: Whether two objects of one photograph may be a pair.
        strict: Whether an annotation that cannot be used is an error; else it is left out, which a
            remark says.

    Raises:
        KapbenchError: a file that cannot be understood, or whose photographs are missing.
    """
    file_path = Path(path).expanduser().absolute()  # a model may change the current folder
    reading.check_choice("split", split, ("test",), f"coco:{file_path.name}")
    rule = PairRule(pairs, seed, min_shared, same_photograph)
    fix = "Give a COCO-keypoints JSON file: coco:FILE"
    file = open_coco(file_path, fix, strict=strict)
    views = Views.read(file, file_path, images, occluded=occluded, exif=exif)
    all_pairs, n_within = [], 0
    contents: list[bytes | str] = [file.content, repr(rule), str((occluded, views.follows_exif))]
    for number, category in sorted(file.categories.items()):
        table = find_symmetry(category, symmetry_file)
        contents += [part.tobytes() for part in table]
        drawn = rule.draw(views.by_category.get(number, []), photographs=views.paths)
        n_within += drawn.n_within
        all_pairs += [pair_by_box(f"{s.image_id}>{t.image_id}", s, t, table) for s, t in drawn]
    if not all_pairs:
        groups = views.by_category.values()
        raise describe_no_pairs(groups, min_shared, file_path, "min_shared", n_within)
    contents += sorted(views.paths) if views.identity_remarks else []
    contents += ["boxes around the visible keypoints"] if views.has_other_boxes else []
    contents += ["without pairs within a photograph"] if n_within else []
    return PairList(
        f"coco.{file_path.stem}",
        split,
        reading.hash_revision(contents),
        "that of the file's photographs",
        "that of the file's makers",
        all_pairs,
        views.paths,
        read=read_upright if views.follows_exif else read_own,
        remarks=(*views.remarks, *remark_on_one_photograph(n_within)),
        more_views=views.all,
        names={category.name: category.keypoints for category in file.categories.values()},
    )


def find_symmetry(category: CocoCategory, symmetry_file: str | None) -> Symmetry:
    """Groups and mirror counterparts of a category."""
    n = len(category.keypoints)
    if symmetry_file is not None:
        return read_symmetry(symmetry_file, category.name, n)
    mirror = [tuple(pair) for pair in category.flip_pairs or ()]
    mirror = mirror or list(mirror_by_name(category.keypoints))
    if not is_sound(n, mirror, mirror):
        raise KapbenchError(
            "The flip_pairs are not consistent",
            place=f"category {category.name}",
            fix=f"Give pairs of ids from 0 to {n - 1}, each in one pair at most",
        )
    return of_table(n, mirror, mirror)
