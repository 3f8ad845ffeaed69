"""geoaware.supervised: its pairs, its losses, and a training end to end on the toys."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from toy_backbone import TOY, ToyData, ToyEncoder, words

from kapbench.errors import KapbenchError
from kapbench.evaluation import evaluate
from kapbench.features.cached_encoder import CachedEncoder
from kapbench.loading import load_dataset, load_model
from kapbench.types import Grid
from kapbench_baselines.geoaware.maps import Maps
from kapbench_baselines.geoaware.pairs import in_cells, prepare
from kapbench_baselines.geoaware.settings import LITE0, named
from kapbench_baselines.geoaware.task import GeoawareTask, contrast, sampled, soft_places, thinned
from kapbench_baselines.geoaware.train_command import supervised
from kapbench_baselines.training import trained_weights as files

CHANNELS = 7  # of the toy encoder


def train(tmp_path, *more):
    return CliRunner().invoke(supervised, words(tmp_path, *more))


def load(tmp_path, **more):
    return load_model(
        "geoaware.supervised",
        weights=str(tmp_path / "out" / "weights.safetensors"),
        backbone=f"{TOY}:ToyEncoder",
        **more,
    )


class TestPairs:
    data = ToyData()

    def prepared(self):
        return prepare(self.data, self.data.pairs(), ToyEncoder(), 6)

    def test_a_mirrored_keypoint_keeps_its_height_and_takes_its_twins_place(self):
        found = self.prepared()
        twins = torch.tensor([1, 0, 2])
        found = type(found)(found.features, found.sides, found.pairs, (twins,) * len(found.pairs))
        plain, mirror = found.side(0, 0, mirror=False), found.side(0, 0, mirror=True)
        assert torch.allclose(
            mirror.xy[0], torch.tensor([6.0, 0]) + plain.xy[1] * torch.tensor([-1, 1])
        )
        assert mirror.visible.tolist() == plain.visible[twins].tolist()

    def test_features_are_of_the_image_and_its_mirror_image(self):
        features = self.prepared().features.float()
        assert torch.allclose(features[:, 0].flip(-1), features[:, 1], atol=2e-2)

    def test_cells_of_a_letterbox(self):
        grid = Grid.letterbox((80, 40), 60, 840)
        at = in_cells(np.array([[40.0, 20.0], [0.0, 0.0]]), grid, 30)
        assert at[0].tolist() == pytest.approx([15, 15])
        assert at[1].tolist() == pytest.approx([0, 7.5], abs=0.05)

    def test_maps_that_would_fill_the_memory_are_read_from_the_cache(self, tmp_path):
        encoder = CachedEncoder.below(tmp_path, ToyEncoder())
        held, read = (
            prepare(self.data, self.data.pairs(), encoder, 4, held_bytes=n) for n in (1 << 30, 1)
        )
        assert isinstance(read.features, Maps)
        assert read.features.shape == tuple(held.features.shape)
        for image in range(len(held.features)):
            for side in (0, 1):
                assert torch.equal(read.features[image, side], held.features[image, side])
        for one, two in zip(read.sides, held.sides, strict=True):
            assert all(torch.equal(a.xy, b.xy) for a, b in zip(one, two, strict=True))

    def test_a_training_that_reads_its_maps_is_the_same(self, tmp_path):
        encoder = CachedEncoder.below(tmp_path, ToyEncoder())
        found = []
        for n in (1 << 30, 1):
            data = prepare(self.data, self.data.pairs(), encoder, 4, held_bytes=n)
            task = GeoawareTask(data, LITE0.with_options({"width": 128}), 0, "cpu")
            draws = torch.Generator().manual_seed(0)
            found.append(task.losses(draws, bf16=False, parts=1).detach())
        assert torch.equal(*found)

    def test_features_that_left_the_cache_are_told(self, tmp_path):
        encoder = CachedEncoder.below(tmp_path, ToyEncoder())
        read = prepare(self.data, self.data.pairs(), encoder, 4, held_bytes=1).features
        encoder.cache.path(read.keys[0][1]).unlink()
        with pytest.raises(KapbenchError, match="were removed from the cache") as caught:
            read[0, 1]
        assert "Run the same command again" in str(caught.value)

    def test_a_backbone_that_knows_images_by_name_is_refused_behind_its_cache(self, tmp_path):
        saved = ToyEncoder()
        saved.reads_image_id = True
        with pytest.raises(KapbenchError, match="reads saved features by the image's name"):
            prepare(self.data, self.data.pairs(), CachedEncoder.below(tmp_path, saved), 4)


class TestSettings:
    def test_presets(self):
        lite0, paper = named("lite0"), named("paper")
        assert (lite0.width, lite0.cells) == (384, 30)
        assert (paper.width, paper.cells, paper.batch, paper.rate) == (768, None, 1, 1.25e-3)
        with pytest.raises(KapbenchError, match="lite0"):
            named("lite")

    def test_what_a_command_changes_is_in_the_weights(self, tmp_path):
        done = train(tmp_path, "--preset", "paper", "--width", "128", "--cells", "5")
        assert done.exit_code == 0, done.output
        path = tmp_path / "out" / "weights.safetensors"
        _, card, _ = files.load(path, "geoaware.supervised")
        assert (card.shape["width_out"], card.shape["cells"]) == (128, 5)
        assert card.settings["rate"] == 1.25e-3
        assert load(tmp_path).network.width_out == 128

    def test_a_width_that_does_not_split(self, tmp_path):
        assert "multiple of 128" in str(train(tmp_path, "--width", "200").exception)


def test_a_backbone_of_parts_gets_a_stage_for_each(tmp_path):
    spec = tmp_path / "parted.py"
    spec.write_text(
        "import importlib.util\n"
        f"_spec = importlib.util.spec_from_file_location('toys_of_sphere', {str(TOY)!r})\n"
        "_toys = importlib.util.module_from_spec(_spec)\n"
        "_spec.loader.exec_module(_toys)\n"
        "class Parted(_toys.ToyEncoder):\n"
        f"    parts = (1, {CHANNELS - 1})\n"
    )
    given = words(tmp_path, "--width", "128")
    given[given.index("--backbone") + 1] = f"{spec}:Parted"
    done = CliRunner().invoke(supervised, given)
    assert done.exit_code == 0, done.output
    path = tmp_path / "out" / "weights.safetensors"
    tensors, card, _ = files.load(path, "geoaware.supervised")
    assert list(card.shape["widths"]) == [1, CHANNELS - 1]
    assert len(tensors["mixing_weights"]) == 2


class TestLosses:
    def test_features_are_read_at_cell_centres(self):
        maps = torch.nn.functional.normalize(torch.randn(4, 5, 5), dim=0)
        found = sampled(maps, torch.tensor([[2.5, 0.5], [4.5, 3.5]]))
        assert torch.allclose(found, torch.stack([maps[:, 0, 2], maps[:, 3, 4]]), atol=1e-5)

    def test_contrast_is_small_where_each_knows_its_own(self):
        own = torch.eye(4)
        assert contrast(own, own, torch.tensor(50.0)) < 1e-6
        assert contrast(own, own.roll(1, 0), torch.tensor(50.0)) == pytest.approx(50, rel=1e-3)

    def test_a_sharp_map_is_placed_at_its_best_cell(self):
        maps = torch.nn.functional.normalize(torch.randn(8, 6, 6), dim=0)
        found = soft_places(maps[:, 4, 1][None], maps, 1e4)
        assert torch.allclose(found, torch.tensor([[1.5, 4.5]]), atol=1e-3)


def test_trained_weights_can_be_run(tmp_path):
    done = train(tmp_path)
    assert done.exit_code == 0, done.output
    _, card, _ = files.load(tmp_path / "out" / "weights.safetensors", "geoaware.supervised")
    model = load(tmp_path)
    assert (model.supervision, model.conditions_on) == ("keypoints", ())
    found = evaluate(
        model,
        load_dataset(f"{TOY}:ToyData", split="val"),
        rule="kap-cvpr24",
        cache=tmp_path / "cache",
        intervals=False,
    )
    assert found.headline("kap-cvpr24") == pytest.approx(
        card.scores["kap"], abs=3e-2
    )  # the backbone in fp16 there


def test_all_chance_is_the_generators():
    """What a state does not save of a GPU cannot be what a resumed training hangs on."""
    data = prepare(ToyData(), ToyData().pairs(), ToyEncoder(), 6)
    task = GeoawareTask(data, LITE0.with_options({"width": 128, "dropout": 0.5}), 0, "cpu")
    found = []
    for seed, elsewhere in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(elsewhere)
        generator = torch.Generator().manual_seed(seed)
        found.append(task.losses(generator, bf16=False, parts=1))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_dropout_keeps_the_mean_and_drops_its_share():
    found = thinned(torch.ones(2, 50, 20, 20), 0.25, torch.Generator().manual_seed(0))
    assert found.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (found == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert found.mean() == pytest.approx(1, abs=0.02)


def test_training_lowers_the_losses(tmp_path):
    few = ("--width", "128", "--cells", "12", "--mirror", "0")
    done = train(tmp_path, "--steps", "200", "--validate-every", "100", *few)
    assert done.exit_code == 0, done.output
    _, first, last = json.loads((tmp_path / "out" / "history.json").read_text())
    assert last["sparse"] < first["sparse"]
    assert last["dense"] < first["dense"]


def test_a_loss_that_it_has_not(tmp_path):
    assert "Unknown loss 'colour'" in str(train(tmp_path, "--without", "colour").exception)


def test_a_released_head_needs_its_backbone_named(tmp_path):
    (tmp_path / "best.pth").write_bytes(b"x")
    with pytest.raises(KapbenchError, match="does not name the backbone that it was trained on"):
        load_model("geoaware.supervised", weights=str(tmp_path / "best.pth"))


def test_without_weights_it_says_how_to_make_some():
    with pytest.raises(KapbenchError, match="needs weights") as caught:
        load_model("geoaware.supervised", dataset="spair")
    said = str(caught.value)
    assert "kapbench train geoaware.supervised" in said
    assert all(word in said for word in ("best_856.PTH", "no licence", "sha256"))


def test_tensors_that_it_did_not_write(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(
        KapbenchError, match="The weights have no card: this is not a file of `kapbench train`"
    ):
        load_model("geoaware.supervised", weights=str(tmp_path / "foreign.safetensors"))
