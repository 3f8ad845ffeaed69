"""Joint PCA against scikit-learn's, and what the fusion is at its ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pictures import picture
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from tiny_diffusion import tiny_captioner, tiny_clip
from tiny_vits import tiny_dinov2

from kapbench.errors import KapbenchError
from kapbench.loading import load_model
from kapbench_baselines.diffusion import memory_check
from kapbench_baselines.diffusion.joint_pca import fused, joint_pca

SOURCE, TARGET = (replace(picture(64, 48, i), category="cat") for i in (0, 1))
QUERIES = np.array([[5.0, 6.0], [40.0, 30.0], [63.0, 47.0]])


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    return tiny_dinov2(tmp_path_factory.mktemp("dino"), "dinov2.vitb14")


@pytest.fixture
def model(v15, dino):
    def build(**options):
        given = {"weights": str(v15), "dino_weights": str(dino), "image_px": 64, "dino_px": 56}
        return load_model("sd_dino", device="cpu", **given | {"dims": 8} | options)

    return build


@pytest.mark.parametrize("channels", [12, 90])
def test_joint_pca_is_that_of_both_images_cells(channels):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(channels, 5, 4, generator=generator) for _ in range(2))
    found = [x.flatten(1).T.numpy() for x in joint_pca(first, second, 6)]
    cells = torch.cat([first.flatten(1), second.flatten(1)], 1).T.double().numpy()
    expected = PCA(6, svd_solver="full").fit_transform(cells)
    # Components are known up to their signs; distances and norms are not touched by those.
    both = np.concatenate(found)
    np.testing.assert_allclose(np.abs(both), np.abs(expected), atol=5e-4)
    np.testing.assert_allclose(cdist(*found), cdist(expected[:20], expected[20:]), rtol=1e-4)


def test_no_more_components_than_cells():
    first, second = joint_pca(torch.randn(50, 2, 2), torch.randn(50, 2, 2), 256)
    assert first.shape == second.shape == (8, 2, 2)


def test_layers_are_fused_coarse_to_fine():
    coarse, middle, fine = torch.ones(2, 1, 1), 2 * torch.ones(3, 2, 2), 3 * torch.ones(1, 4, 4)
    found = fused([coarse, middle, fine])
    assert found.shape == (6, 4, 4)
    assert found[:, 1, 2].tolist() == [3, 2, 2, 2, 1, 1]


def test_without_diffusion_it_is_dino_alone(model, dino):
    found = model(alpha=0.0).match(SOURCE, TARGET, QUERIES)
    alone = load_model("dinov2.vitb14", device="cpu", weights=str(dino), image_px=56)
    source, target = alone.encode([SOURCE, TARGET])
    unit = [
        m.values.reshape(768, -1) / np.linalg.norm(m.values.reshape(768, -1), axis=0)
        for m in (source, target)
    ]
    cells = source.grid.cell_of(QUERIES)
    expected = -cdist(unit[0][:, cells].T, unit[1].T)
    np.testing.assert_allclose(found.values.reshape(3, -1), expected, atol=2e-3)
    assert found.grid == target.grid


def test_without_dino_its_pixels_do_not_count(model, v15, tmp_path):
    other = tiny_dinov2(tmp_path, "dinov2.vitb14")
    from safetensors.torch import load_file, save_file

    path = other / "model.safetensors"
    save_file({k: torch.randn_like(v) for k, v in load_file(path).items()}, path, {"format": "pt"})
    one, two = model(alpha=1.0), model(alpha=1.0, dino_weights=str(other))
    assert one.revision != two.revision
    maps = [m.match(SOURCE, TARGET, QUERIES).values for m in (one, two)]
    np.testing.assert_array_equal(*maps)


def test_distance_and_cosine_order_the_cells_alike(model):
    """Both halves have the same length everywhere: |f - g|² = 2 |f|² - 2 f·g."""
    distance, cosine = (
        model(similarity=s, alpha=0.3).match(SOURCE, TARGET, QUERIES).values
        for s in ("neg_l2", "dot")
    )
    length = 0.3**2 + 0.7**2
    np.testing.assert_allclose(-(distance**2) / 2 / length + 1, cosine, atol=2e-3)


def test_equal_queries_get_equal_maps_and_runs_repeat(model):
    queries = np.array([[5.0, 6.0], [5.1, 6.1]])
    sd_dino = model()
    found = sd_dino.match(SOURCE, TARGET, queries).values
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found, model().match(SOURCE, TARGET, queries).values)
    assert sd_dino.match(SOURCE, TARGET, np.zeros((0, 2))).values.shape[0] == 0


@pytest.mark.parametrize(
    "asked", [{}, {"seed": 3, "dino_px": 70, "prompt": "a {category}", "window": 64, "alpha": 0.2}]
)
def test_a_run_is_repeated_by_what_its_card_tells_of_the_options(model, asked, tmp_path):
    beside = {"captioner": str(tiny_captioner(tmp_path)), "clip": str(tiny_clip(tmp_path))}
    for files in ({}, beside):
        one = model(**asked, **files)
        assert model(**one.options | files).revision == one.revision


@pytest.mark.parametrize("option", [{"alpha": 1.5}, {"dims": 0}, {"similarity": "cosine"}])
def test_values_that_cannot_be(model, option):
    with pytest.raises(KapbenchError, match=f"(?i){next(iter(option))}"):
        model(**option)


class TestMemory:
    """DINOv2, and CLIP with the captioner, stand beside Stable Diffusion."""

    def test_networks_of_the_hub_are_as_large_as_said(self):
        import transformers

        dino = transformers.Dinov2Config(image_size=518, patch_size=14)
        clip = transformers.CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            image_size=336,
            num_attention_heads=16,
            patch_size=14,
            projection_dim=768,
        )
        with torch.device("meta"):
            nets = transformers.Dinov2Model(dino), transformers.CLIPVisionModelWithProjection(clip)
        found = [sum(p.numel() for p in net.parameters()) for net in nets]
        assert found == [memory_check.DINOV2_B, memory_check.CLIP_L]
        assert memory_check.numbers(None, memory_check.CLIP_L) == memory_check.CLIP_L

    def test_what_is_given_is_counted(self, dino):
        from safetensors.torch import load_file

        path = dino / "model.safetensors"
        n = sum(t.numel() for t in load_file(path).values())
        assert memory_check.numbers(str(dino), 1) == memory_check.numbers(str(path), 1) == n

    @pytest.mark.parametrize("name", ["sd_dino", "sd_dino.stack"])
    def test_it_is_refused_where_diffusion_alone_would_fit(self, v15, dino, name, monkeypatch):
        alone = (
            memory_check.weights_bytes(v15, torch.float32)
            + memory_check.IMAGE_BYTES[torch.float32] * 64**2
        )
        more = 4 * memory_check.numbers(str(dino), 1)
        given = {"weights": str(v15), "dino_weights": str(dino), "image_px": 64, "dino_px": 56}
        monkeypatch.setattr(memory_check, "free_bytes", lambda _: alone + more - 1)
        with pytest.raises(KapbenchError, match=r"The model needs .* GiB"):
            load_model(name, device="cpu", **given)
        monkeypatch.setattr(memory_check, "free_bytes", lambda _: alone + more)
        load_model(name, device="cpu", **given)
