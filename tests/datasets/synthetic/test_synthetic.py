"""The rendered data set: deterministic, exact, and mirror-identical where the knob says so."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow

from kapbench.datasets.images import read_rgb
from kapbench.datasets.synthetic import contact_sheet, rendered_split
from kapbench.datasets.synthetic.dataset import SMALL_INSTANCES, Synthetic, large, small, synthetic
from kapbench.datasets.synthetic.objects import BUILDERS
from kapbench.datasets.synthetic.render import Camera, keypoints, render
from kapbench.datasets.synthetic.scene_plan import Image, Settings, Shot, images, symmetry
from kapbench.errors import KapbenchError
from kapbench.storage import file_hash

SHOT = Shot(
    azimuth=0.6,
    elevation=0.3,
    size=(96, 96),
    fill=0.8,
    shift=(0.05, 0.0),
    light=(0.4, 0.8, 0.5),
    ground=(0.4, 0.5, 0.3),
    sky=(0.7, 0.8, 0.9),
    seed=3,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("renderings")


@pytest.fixture
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("KAPBENCH_CACHE", str(cache))


def solid(category, marking, seed=1):
    return BUILDERS[category](np.random.default_rng(seed), marking)


@pytest.mark.parametrize("category", BUILDERS)
def test_without_marks_the_mirrored_camera_sees_the_mirror_image(category):
    thing = solid(category, 0.0)
    seen, mirrored = render(thing, SHOT), render(thing, SHOT.mirrored())
    both = seen.mask & mirrored.mask[:, ::-1]
    assert (seen.mask != mirrored.mask[:, ::-1]).mean() < 0.01
    difference = np.abs(seen.pixels.astype(int) - mirrored.pixels[:, ::-1].astype(int)).max(axis=2)
    assert np.median(difference[both]) <= 1
    assert (difference[both] > 8).mean() < 0.06  # edges of faces, where a ray goes either way


@pytest.mark.parametrize("category", BUILDERS)
def test_with_marks_the_sides_differ(category):
    thing = solid(category, 1.0)
    shot = replace(SHOT, azimuth=np.pi / 2)
    seen, mirrored = render(thing, shot), render(thing, shot.mirrored())
    both = seen.mask & mirrored.mask[:, ::-1]
    difference = np.abs(seen.pixels.astype(int) - mirrored.pixels[:, ::-1].astype(int)).max(axis=2)
    assert (difference[both] > 25).mean() > 0.15


@pytest.mark.parametrize("category", BUILDERS)
def test_left_side_never_changes_with_the_knob(category):
    shot = replace(SHOT, azimuth=np.pi / 2, elevation=0.05)
    plain, marked = (render(solid(category, m), shot).pixels.astype(int) for m in (0.0, 1.0))
    assert (np.abs(plain - marked).max(axis=2) > 25).mean() < 0.1


@pytest.mark.parametrize("category", BUILDERS)
def test_visibility_against_the_depth_of_every_pixel(category):
    """An independent z-buffer: faces drawn by sampling points on them, nearest kept."""
    thing = solid(category, 0.3)
    mesh = trimesh.Trimesh(thing.vertices, thing.faces, process=False, validate=False)
    camera = Camera.of(thing, SHOT)
    xy, visible = keypoints(thing, mesh, camera, SHOT.size)
    points, _ = trimesh.sample.sample_surface(mesh, 150_000, seed=0)
    seen = np.floor(camera.project(points)).astype(int)
    depth = np.linalg.norm(points - camera.position, axis=1)
    buffer = np.full((96, 96), np.inf)
    inside = ((seen >= 0) & (seen < 96)).all(axis=1)
    np.minimum.at(buffer, (seen[inside, 1], seen[inside, 0]), depth[inside])
    known = np.stack(list(thing.keypoints.values()))
    for point, shown, place in zip(known, visible, xy, strict=True):
        if np.isnan(point).any():
            assert not shown
            continue
        column, row = np.floor(camera.project(point[None])[0]).astype(int)
        around = buffer[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        distance = np.linalg.norm(point - camera.position)
        if shown:
            assert distance < around.max() + 0.06 * thing.extent
            assert (place >= 0).all()
        else:
            assert np.isnan(place).all()
            assert around.min() < distance + 0.01 * thing.extent


@pytest.mark.parametrize(
    ("azimuth", "expected"), [(0.0, 0), (np.pi / 2, 2), (np.pi, 4), (-np.pi / 2, 6), (6.2, 0)]
)
def test_azimuth_bins_are_spairs(azimuth, expected):
    assert Image("car", 0, 0, (0,), replace(SHOT, azimuth=azimuth)).azimuth_bin == expected


def test_a_car_in_bin_two_faces_image_left():
    thing = solid("car", 0.0)
    camera = Camera.of(thing, replace(SHOT, azimuth=np.pi / 2))
    front, rear = camera.project(np.array([[2.0, 0, 0.5], [-2.0, 0, 0.5]]))
    assert front[0] < rear[0]


def test_twins_and_groups_by_name():
    groups, twins = symmetry(["nose", "Lleg1", "Rleg1", "Lleg2", "Rleg2", "plate1", "plate2"])
    assert twins.tolist() == [0, 2, 1, 4, 3, 5, 6]
    assert groups.tolist() == [-1, 0, 0, 0, 0, -1, -1]


@pytest.mark.usefixtures("_own_cache")
class TestSplit:
    @pytest.mark.slow
    def test_is_deterministic(self, cache, tmp_path, monkeypatch):
        first = small()
        monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path))
        again = small()
        assert first.revision == again.revision
        assert [p.pair_id for p in first.pairs()] == [p.pair_id for p in again.pairs()]
        assert small(seed=1).revision != first.revision

    def test_annotations_agree_with_the_pictures(self):
        data = small()
        for view in data.views():
            mask = data.mask(view)
            assert mask is not None
            x1, y1, x2, y2 = (int(v) for v in view.bbox)
            assert mask[y1:y2, x1:x2].sum() == mask.sum()
            assert mask[y1].any()
            assert mask[:, x2 - 1].any()
            xy = view.keypoints.xy[view.keypoints.visible]
            assert ((xy >= 0) & (xy <= view.size)).all()
            assert data.pixels(view).shape[:2] == view.size[::-1]

    def test_pairs_share_a_keypoint_and_no_instance(self):
        for pair in small().pairs():
            assert (pair.source.keypoints.visible & pair.target.keypoints.visible).any()
            assert pair.source.image_id.split("-")[0] != pair.target.image_id.split("-")[0]

    @pytest.mark.slow
    def test_a_damaged_picture_is_rendered_again_and_said(self, capsys):
        data = small()
        view = data.views()[0]
        path = data.paths[view.image_id]
        before = read_rgb(path)
        path.write_bytes(path.read_bytes()[:-9])
        again = small()
        assert "was changed; rendering again" in capsys.readouterr().err
        assert (again.pixels(view) == before).all()

    @pytest.mark.slow
    def test_renderings_of_an_earlier_version_are_silently_rendered_again(self, capsys):
        data = small()
        folder = next(iter(data.paths.values())).parents[2]
        (folder / "annotations.sha256").unlink()
        small()
        assert (folder / "annotations.sha256").exists()
        assert capsys.readouterr().err == ""

    def test_an_interrupted_rendering_leaves_nothing(self, monkeypatch, tmp_path):
        monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path))

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(rendered_split, "_render_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            small()
        left = [p for p in (tmp_path / "synthetic").iterdir() if p.suffix != ".lock"]
        assert left == []

    def test_sizes_are_options(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path))
        data = large(instances=2, views=1, pairs=2)
        assert isinstance(data, Synthetic)
        assert len(data.views()) == 8
        assert 0 < len(data.pairs()) <= 8

    def test_more_pairs_than_there_can_be_are_refused_before_anything_is_rendered(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("KAPBENCH_CACHE", str(tmp_path))
        with pytest.raises(KapbenchError, match=r"250,000 pairs .* 4 instances .* make 192"):
            large(instances=4, views=4, pairs=250_000)
        assert not list(tmp_path.iterdir())

    def test_unknown_category_is_answered(self):
        with pytest.raises(KapbenchError, match="Unknown category 'cat'") as caught:
            small().pairs(["cat"])
        assert "car" in str(caught.value.fix)


def test_splits_share_no_object():
    shapes = [
        {i.shape_seed for i in images(Settings(split, 0.0, 0, 3, 2, 5))}
        for split in ("trn", "val", "test")
    ]
    assert not shapes[0] & shapes[1]
    assert not shapes[0] & shapes[2]
    assert not shapes[1] & shapes[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"marking": 2}, "marking 2.0"),
        ({"split": "tset"}, "Unknown split 'tset'"),
        ({"instances": 1}, "1 instances"),
    ],
)
def test_wrong_settings(options, words):
    with pytest.raises(KapbenchError, match=words) as caught:
        synthetic(**options)
    assert caught.value.fix


def test_annotation_file_that_is_no_json_is_damage(tmp_path):
    def damage(text, other_text=None):
        path = tmp_path / rendered_split.ANNOTATIONS
        path.write_text(text)
        (tmp_path / rendered_split.HASH).write_text(file_hash(path))
        path.write_text(text if other_text is None else other_text)
        return rendered_split._find_damage(tmp_path) or ""

    assert "cannot be read" in damage("{")
    assert "cannot be read" in damage("[]")
    assert damage(json.dumps({"files": {"images/a.png": "0"}})) == "a.png is missing"
    assert damage('{"files": {}}') == ""
    assert damage('{"files": {}}', '{"files": {}, "images": []}') == "annotations.json was changed"
    (tmp_path / rendered_split.HASH).unlink()
    assert rendered_split._find_damage(tmp_path) == "annotations.sha256 is missing"
    shutil.rmtree(tmp_path)
    assert "is missing" in (rendered_split._find_damage(tmp_path) or "")


@pytest.mark.parametrize("split", ["trn", "val", "test"])
def test_a_contact_sheet_has_a_view_from_every_side(split):
    rows = contact_sheet.chosen(split, 0.25)
    assert [[(i.category, i.azimuth_bin) for i in row] for row in rows] == [
        [(category, side) for side in range(8)] for category in BUILDERS
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("_own_cache")
def test_a_cell_of_the_sheet_is_the_data_sets_picture():
    data = small("trn")
    view = data.views(["car"])[0]
    settings = Settings("trn", 0.25, 0, SMALL_INSTANCES["trn"], 2, 12)
    (image,) = [i for i in images(settings) if i.image_id == view.image_id]
    drawn = contact_sheet.cell(image, 0.25, keypoints=False)
    w, h = (round(n * contact_sheet.CELL_PX / max(view.size)) for n in view.size)
    x, y = (contact_sheet.CELL_PX - w) // 2, (contact_sheet.CELL_PX - h) // 2
    expected = np.asarray(Pillow.fromarray(data.pixels(view)).resize((w, h)))
    np.testing.assert_array_equal(drawn[y : y + h, x : x + w], expected)
    dotted = contact_sheet.cell(image, 0.25, keypoints=True)
    names = [
        name
        for name, shown in zip(data.keypoint_names("car"), view.keypoints.visible, strict=True)
        if shown
    ]
    assert (
        any(name.startswith("L") for name in names) == (dotted == contact_sheet.LEFT).all(-1).any()
    )
    assert (
        any(name.startswith("R") for name in names) == (dotted == contact_sheet.RIGHT).all(-1).any()
    )
