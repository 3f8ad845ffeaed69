"""Small copies of the data sets in their true layouts: generated photographs, made-up points."""

import json

import numpy as np
import tiny_soco
import tiny_spair
from PIL import Image
from scipy.io import savemat


def photograph(path, size=(60, 40), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def points(n, size=(60, 40), seed=0):
    return np.random.default_rng(seed).uniform(2, np.array(size) - 2, (n, 2)).round(3)


def spair(root):
    tiny_spair.make(root)
    return "spair", {"root": root}


def spair_u(root):
    folder = tiny_spair.make(root)
    lines = [x.split(":") for x in (folder / "Layout/large/test.txt").read_text().split()]
    for stem, category in lines[:3]:
        _, source, target = stem.split("-")
        for name in (source, target):
            path = root / "SPair-U/ExtraImageAnnotation" / category / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"kps": {"0": [5, 6], "1": None, "2": [9.5, 7]}}))
        pair = root / "SPair-U/ExtraPairAnnotation/test" / f"{stem}:{category}.json"
        pair.parent.mkdir(parents=True, exist_ok=True)
        pair.write_text("{}")
    return "spair-u", {"root": root}


def soco(root, kind="intra"):
    """The list of pairs that is opened, and no other."""
    tiny_soco.make(root, [kind])
    return f"soco.{kind}", {"root": root, "split": "all"}


def pf_pascal(root):
    folder = root / "PF-dataset-PASCAL"
    lines = ["source_image,target_image,class,XA,YA,XB,YB"]
    for i in range(3):
        names = [f"PF-dataset-PASCAL/JPEGImages/2007_00000{i + k}.jpg" for k in (0, 1)]
        for k, name in enumerate(names):
            photograph(root / name, (600, 400), i + k)  # twice the list's frame
        columns = [";".join(map(str, c)) for k in (0, 1) for c in points(4, (300, 200), i + k).T]
        lines.append(",".join([*names, "8", *columns]))
    (folder / "test_pairs_pf_pascal.csv").write_text("\n".join(lines) + "\n")
    return "pf-pascal", {"root": root}


def pf_willow(root):
    folder = root / "PF-dataset"
    lines = [
        "imageA,imageB," + ",".join(f"{a}{s}{i}" for s in "AB" for a in "XY" for i in range(10))
    ]
    for i in range(3):
        names = [f"PF-dataset/car(G)/cars_00{i + k}.png" for k in (0, 1)]
        columns = []
        for k, name in enumerate(names):
            photograph(root / name, seed=i + k)
            xy = points(10, seed=i + k)
            xy[8:] = -1  # padding
            columns += xy.T.ravel().tolist()
        lines.append(",".join([*names, *map(str, columns)]))
    (folder / "test_pairs.csv").write_text("\n".join(lines) + "\n")
    return "pf-willow", {"root": root}


def willow(root):
    for i in range(66):
        path = root / "WILLOW-ObjectClass/Winebottle" / f"wine_{i:03d}.png"
        photograph(path, seed=i)
        savemat(path.with_suffix(".mat"), {"pts_coord": points(10, seed=i).T})
    return "willow", {"root": root, "pairs": 20}


def cub(root):
    folder = root / "CUB_200_2011"
    (folder / "parts").mkdir(parents=True)
    species = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    (folder / "classes.txt").write_text("".join(f"{i + 1} {s}\n" for i, s in enumerate(species)))
    text = dict.fromkeys(("images", "image_class_labels", "bounding_boxes", "train_test_split"), "")
    parts = ""
    for n in range(1, 9):
        kind = species[n % 2]
        photograph(folder / "images" / kind / f"bird_{n}.jpg", seed=n)
        text["images"] += f"{n} {kind}/bird_{n}.jpg\n"
        text["image_class_labels"] += f"{n} {n % 2 + 1}\n"
        text["bounding_boxes"] += f"{n} 1.0 2.0 50.0 {30 + n}.0\n"
        text["train_test_split"] += f"{n} {int(n > 5)}\n"
        for part, (x, y) in enumerate(points(15, seed=n), start=1):
            shown = (n + part) % 3 > 0
            parts += f"{n} {part} {x * shown} {y * shown} {int(shown)}\n"
    for name, content in text.items():
        (folder / f"{name}.txt").write_text(content)
    (folder / "parts/part_locs.txt").write_text(parts)
    return "cub", {"root": root}


def cub_demystifying(root):
    """The first pair joins two species."""
    cub(root)
    (root / "CUB_200_2011/random_pairs.txt").write_text("1 2\n3 8\n7 5\n")
    return "cub", {"root": root, "pairs": "demystifying"}


def ap_10k(root, kind="intra"):
    """Two families of two species, three images each, and one image of two animals."""
    folder = root / "ap-10k"
    names = ["cat", "lion", "dog", "wolf"]
    families = ["Felidae", "Felidae", "Canidae", "Canidae"]
    categories = [
        {"id": i + 1, "name": n, "supercategory": f, "keypoints": [f"k{k}" for k in range(17)]}
        for i, (n, f) in enumerate(zip(names, families, strict=True))
    ]
    images, annotations = [], []
    for n in range(13):
        name = f"{90000000 + n:012d}.jpg"
        photograph(folder / "data" / name, seed=n)
        images.append({"id": n, "file_name": name, "width": 60, "height": 40})
        for again in range(1 + (n == 12)):
            annotations.append(coco_annotation(len(annotations), n, n % 4 + 1, 17, n + again))
    path = folder / "annotations/ap10k-test-split1.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return f"ap-10k.{kind}", {"root": root}


def ap_10k_geoaware(root, kind="intra"):
    """Two families of two species, three images each, as GeoAware-SC's notebook writes them."""
    folder, numbers = root / "ap-10k", {}
    families = {"cat": "Felidae", "lion": "Felidae", "dog": "Canidae", "wolf": "Canidae"}
    for i, (species, family) in enumerate(families.items()):
        numbers[species] = [f"{4 * n + i:012d}" for n in range(3)]
        for n in numbers[species]:
            photograph(folder / f"JPEGImages/{family}/{species}/{n}.jpg", seed=int(n))
            content = coco_annotation(int(n), int(n), i + 1, 17, int(n))
            content |= {"width": 60, "height": 40, "name": species, "supercategory": family}
            path = folder / f"ImageAnnotation/{family}/{species}/{n}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
    source = {"intra": "cat", "cross-species": "lion", "cross-family": "dog"}[kind]
    category = {"intra": "cat", "cross-species": "Felidae", "cross-family": "all"}[kind]
    below = {"intra": "test", "cross-species": "test_cross_species"}.get(kind, "test_cross_family")
    pairs = folder / "PairAnnotation" / below
    pairs.mkdir(parents=True)
    for i, k in ((0, 1), (0, 2), (2, 1)):
        name = f"{numbers[source][i]}-{numbers['cat'][k]}:{category}.json"
        (pairs / name).write_text("{}")
    if kind == "intra":  # a species that comes later, of files that come earlier
        (pairs / f"{numbers['dog'][0]}-{numbers['dog'][1]}:dog.json").write_text("{}")
    return f"ap-10k.{kind}", {"root": root, "pairs": "geoaware"}


def coco_annotation(number, image, category, n_keypoints, seed):
    numbers = []
    for k, (x, y) in enumerate(points(n_keypoints, seed=seed).tolist()):
        shown = (k + seed) % 4 > 0
        numbers += [x * shown, y * shown, 2 * shown]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [1, 1, 50, 36.5],
        "keypoints": numbers,
        "iscrowd": 0,
    }


def coco_content(n=4):
    keypoints = ["left_eye", "right_eye", "nose", "L_Paw", "R_Paw"]
    return {
        "images": [{"id": i, "file_name": f"photo_{i}.png"} for i in range(n - 1)],
        "categories": [{"id": 7, "name": "cat", "keypoints": keypoints}],
        "annotations": [coco_annotation(i, min(i, n - 2), 7, 5, i) for i in range(n)],
    }


def coco(root):
    """The last photograph shows two animals."""
    content = coco_content()
    for image in content["images"]:
        photograph(root / "images" / image["file_name"], seed=image["id"])
    path = root / "cats.json"
    path.write_text(json.dumps(content))
    return f"coco:{path}", {}


def mp_100(root):
    """Two categories of two annotation files; the last photograph shows a second sofa."""
    folder = root / "mp100_all"
    for number, (name, subset) in enumerate(
        (("sofa", "furniture"), ("alpaca_face", "animal_face"))
    ):
        content = coco_content()
        content["categories"] = [
            {"id": 7 + number, "name": name, "keypoints": content["categories"][0]["keypoints"]}
        ]
        for image in content["images"]:
            image |= {"file_name": f"{name}/{image['id']}.jpg", "width": 60, "height": 40}
            photograph(folder / "mp100" / image["file_name"], seed=image["id"])
        for annotation in content["annotations"]:
            annotation["category_id"] = 7 + number
        files = [image["file_name"] for image in content["images"]]
        pairs = [
            {"src_file": files[i], "trg_file": files[k], "category_id": 7 + number}
            for i, k in ((0, 1), (2, 0))
        ]
        path = folder / f"annotations/mp100_split{number + 1}_test.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        path = folder / f"pairs/pairs_{subset}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(pairs))
    return "mp-100", {"root": root}


ANIMAL_POSE_KEYPOINTS = [
    *("left_eye", "right_eye", "nose", "left_ear", "right_ear"),
    *(f"{side}_{end}_elbow" for end in ("front", "back") for side in ("left", "right")),
    *(f"{side}_{end}_knee" for end in ("front", "back") for side in ("left", "right")),
    *(f"{side}_{end}_paw" for end in ("front", "back") for side in ("left", "right")),
    *("throat", "withers", "tailbase"),
]


def animal_pose_content():
    """Three photographs of each animal; the last cow's shows a second cow."""
    images, annotations = {}, []
    animals = ("dog", "cat", "sheep", "horse", "cow")
    for n in range(15):
        images[str(n + 1)] = f"{animals[n // 3][:2]}{n}.jpeg" if n % 3 else f"2007_{n:06d}.jpg"
        for again in range(1 + (n == 14)):
            xy = points(20, seed=n + again).round().astype(int).tolist()
            shown = [(k + n) % 4 > 0 for k in range(20)]
            keypoints = [[x * v, y * v, int(v)] for (x, y), v in zip(xy, shown, strict=True)]
            annotations.append(
                {
                    "image_id": n + 1,
                    "bbox": [2, 3 + again, 50, 38],
                    "keypoints": keypoints,
                    "num_keypoints": sum(shown),
                    "category_id": n // 3 + 1,
                }
            )
    categories = [
        {"supercategory": "animal", "id": i + 1, "name": name, "keypoints": ANIMAL_POSE_KEYPOINTS}
        | {"skeleton": [[0, 1], [0, 2]]}
        for i, name in enumerate(animals)
    ]
    return {
        "info": {"year": 2019},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def animal_pose(root):
    folder, content = root / "animalpose_keypoint_new", animal_pose_content()
    for number, name in content["images"].items():
        photograph(folder / "images" / name, seed=int(number))
    (folder / "keypoints.json").write_text(json.dumps(content))
    return "animal-pose", {"root": root}


def awa_pose(root):
    from kapbench.datasets.awa_pose import keypoint_names

    folder, content = root / "AwA-Pose", {}
    for i in range(4):
        name = f"moose_1000{i}"
        photograph(folder / "JPEGImages/moose" / f"{name}.jpg", seed=i)
        content[name] = {}
        for a in range(1, 2 + (i == 3)):
            xy = points(39, seed=i + a)
            animal = {
                k: p if (j + i) % 3 else [-1, -1]
                for j, (k, p) in enumerate(zip(keypoint_names(), xy.tolist(), strict=True))
            }
            content[name][f"a{a}"] = animal | ({"bbox": [1.5, 1, 58, 39]} if i else {})
    path = folder / "Annotations_json/moose.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return "awa-pose", {"root": root}


def awa_pose_demystifying(root):
    awa_pose(root)
    names = [f"moose/moose_1000{i}.jpg" for i in range(4)]
    lines = [f"{names[i]} {names[k]}\n" for i, k in ((0, 1), (1, 3), (3, 2))]
    (root / "AwA-Pose/random_pairs.txt").write_text("".join(lines))
    return "awa-pose", {"root": root, "pairs": "demystifying"}


def flow(path, values):
    height, width = values.shape[:2]
    head = np.array([202021.25], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    path.write_bytes(head + values.astype("<f4").tobytes())


def tss(root):
    folder = root / "TSS_CVPR2016"
    lines = ["source_image,target_image,flow_direction,flip_img_A,class"]
    for i, kind in enumerate(("FG3DCar", "JODS", "PASCAL")):
        place = folder / kind / f"pair_{i}"
        for k in (1, 2):
            photograph(place / f"image{k}.png", seed=2 * i + k)
            mask = np.zeros((40, 60), np.uint8)
            mask[8:32, 10:50] = 255
            Image.fromarray(mask).save(place / f"mask{k}.png")
            values = np.full((40, 60, 2), (3.0, -2.0) if k == 1 else (-3.0, 2.0))
            values[:12] = 1e10  # unknown
            flow(place / f"flow{k}.flo", values)
        names = [f"{kind}/pair_{i}/image{k}.png" for k in (1, 2)]
        lines += [
            ",".join([*names[::-1], "1", str(i % 2), str(i + 1)]),
            ",".join([*names, "2", "0", str(i + 1)]),
        ]
    (folder / "test_pairs_tss.csv").write_text("\n".join(lines) + "\n")
    return "tss", {"root": root}


def freiburg_cars(root):
    folder = root / "freiburg_static_cars_52_v1.1"
    (folder / "annotations").mkdir(parents=True)
    lines = []
    for i in range(8):
        photograph(folder / "images/001" / f"{i:06d}.png", seed=i)
        mask = np.full((40, 60), 255 * (i > 0), np.uint8)
        path = folder / "instance_masks/001" / f"{i:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
        lines.append(f"./{i:06d}.png 1 2 50 38 {45.0 * i}")
    (folder / "annotations/001_annot.txt").write_text("\n".join(lines) + "\n")
    return "freiburg-cars", {"root": root, "split": "trn"}


def manifest_content(root):
    images = []
    for i in range(4):
        photograph(root / "photos" / f"{i}.png", seed=i)
        xy = points(3, seed=i).tolist()
        named = dict(zip(("nose", "left_eye", "right_eye"), xy, strict=True))
        if i % 2:
            named["left_eye"] = None
        images.append({"path": f"photos/{i}.png", "category": "cat", "keypoints": named})
    return {
        "name": "mine",
        "categories": {"cat": {"keypoints": ["nose", "left_eye", "right_eye"]}},
        "images": images,
    }


def manifest(root):
    path = root / "mine.json"
    path.write_text(json.dumps(manifest_content(root)))
    return f"manifest:{path}", {}


BUILDERS = {
    "spair": spair,
    "spair.small": lambda root: ("spair.small", spair(root)[1]),
    "spair-u": spair_u,
    "soco.intra": soco,
    "soco.cross": lambda root: soco(root, "cross"),
    "pf-pascal": pf_pascal,
    "pf-willow": pf_willow,
    "willow": willow,
    "cub": cub,
    "cub.demystifying": cub_demystifying,
    "ap-10k.intra": ap_10k,
    "ap-10k.cross-species": lambda root: ap_10k(root, "cross-species"),
    "ap-10k.cross-family": lambda root: ap_10k(root, "cross-family"),
    "ap-10k.intra.geoaware": ap_10k_geoaware,
    "ap-10k.cross-species.geoaware": lambda root: ap_10k_geoaware(root, "cross-species"),
    "ap-10k.cross-family.geoaware": lambda root: ap_10k_geoaware(root, "cross-family"),
    "mp-100": mp_100,
    "animal-pose": animal_pose,
    "awa-pose": awa_pose,
    "awa-pose.demystifying": awa_pose_demystifying,
    "tss": tss,
    "freiburg-cars": freiburg_cars,
    "coco:": coco,
    "manifest:": manifest,
    "synthetic.small": lambda _: ("synthetic.small", {}),
}
# Where the real data set, or a part of it, may lie below KAPBENCH_DATA.
REAL = {
    "spair": {},
    "spair.small": {},
    "pf-pascal": {},
    "pf-willow": {},
    "willow": {},
    "cub": {"split": "all", "photographs": False, "pairs": 2},
    "awa-pose": {"photographs": False, "pairs": 20},
}
