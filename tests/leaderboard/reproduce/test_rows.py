"""`kapbench reproduce` on published numbers, one of them with weights that a test makes."""

import json

import numpy as np
import pytest
from PIL import Image

from kapbench.loading import load_dataset
from kapbench_leaderboard.published.schema import Measure, Way
from kapbench_leaderboard.reproduce.compare_scores import Line, agree


@pytest.fixture
def tiny_weights(tmp_path):
    """DINOv2-B of one block with random weights, as transformers keeps it; and its network."""
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    import torch

    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=768,
        num_hidden_layers=1,
        num_attention_heads=2,
        mlp_ratio=1,
        image_size=112,
        patch_size=14,
    )
    net = transformers.Dinov2Model(config).eval()
    with torch.no_grad():  # tokens that follow the patch, not its place: some matches are right
        net.embeddings.patch_embeddings.projection.weight.mul_(30)
        net.embeddings.position_embeddings.zero_()
    folder = tmp_path / "dinov2"
    net.save_pretrained(folder)
    return folder, net


def pck_by_hand(net, data, alpha=0.1, cells=8):
    """PCK per image and category, ×100: nearest cell by cosine, at its centre in original pixels."""
    import torch

    side = 14 * cells
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

    def frame(view):
        """Scale and offset of the letterbox."""
        scale = side / max(view.size)
        small = [round(length * scale) for length in view.size]
        return scale, small, np.array([int((side - length) / 2) for length in small])

    def tokens(view):
        _, small, (left, top) = frame(view)
        shown = Image.new("RGB", (side, side))
        picture = Image.fromarray(data.pixels(view)).resize(small, Image.Resampling.LANCZOS)
        shown.paste(picture, (int(left), int(top)))
        pixels = torch.tensor((np.asarray(shown) / 255 - mean) / std, dtype=torch.float32)
        with torch.no_grad():
            out = net(pixels.permute(2, 0, 1)[None], output_hidden_states=True)
        return torch.nn.functional.normalize(out.hidden_states[-1][0, 1:], dim=1).numpy()

    shares = {}
    for pair in data.pairs():
        (scale, _, offset), (back, _, shift) = frame(pair.source), frame(pair.target)
        source, target = tokens(pair.source), tokens(pair.target)
        right = []
        for k in np.flatnonzero(pair.source.keypoints.visible & pair.target.keypoints.visible):
            column, row = ((pair.source.keypoints.xy[k] * scale + offset) // 14).astype(int)
            best = int(np.argmax(target @ source[row * cells + column]))
            point = (np.array([best % cells, best // cells]) * 14 + 7 - shift) / back
            right.append(np.linalg.norm(point - pair.target.keypoints.xy[k]) < alpha * pair.size)
        shares.setdefault(pair.source.category, []).append(np.mean(right))
    return {category: 100 * float(np.mean(values)) for category, values in shares.items()}


@pytest.mark.slow
def test_a_published_row_with_weights_of_random_numbers(
    reproduce, published_file, tiny_weights, spair_root, tmp_path
):
    folder, net = tiny_weights
    by_hand = pck_by_hand(net, load_dataset("spair", data_root=spair_root))
    assert max(by_hand.values()) > 0
    parts = {"options": {"image_px": 112}, "needs": ["weights"]}
    path = published_file(
        {"0.1": 50.0},
        categories=by_hand | {"cow": 99.0},
        model="dinov2.vitb14",
        parts=parts,
        measure={"tolerance": 0.01, "category_tolerance": 0.01},
    )
    words = ("paper.spair.row", "--published", path)
    refused = reproduce(*words)
    assert refused.exit_code == 1
    assert "add -o weights=FILE" in refused.output
    assert "https://example.org/weights" in refused.output

    done = reproduce(*words, "-o", f"weights={folder}")
    assert done.exit_code == 0, done.output
    assert "2 of 3 categories are here, of which 2 have a published number" in done.stdout
    assert "mean of 2 categories" in done.stdout
    assert "cow" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80

    path = published_file(
        {"0.1": 50.0},
        categories={name: value + 4 for name, value in by_hand.items()},
        model="dinov2.vitb14",
        parts=parts,
    )
    done = reproduce(*words, "-o", f"weights={folder}")
    assert done.exit_code == 1
    assert "−4.00  beyond ±1.5" in done.stdout
    report = json.loads((tmp_path / "reproductions" / "paper.spair.row.json").read_text())
    assert report["verdict"] == "not within tolerance"
    assert report["published_model"]["weights"] == "https://example.org/weights"


def test_an_average_over_categories_that_are_not_here(reproduce, published_file):
    done = reproduce("paper.spair.row", "--published", published_file({"0.1": 50.0}))
    assert done.exit_code == 1
    assert "2 of 3 categories are here, and the source prints averages over all" in done.output


def test_a_rule_that_this_kapbench_lacks(reproduce, published_file):
    ways = [{"rule": "pck-of-tomorrow", "average": "image", "over": "mean"}]
    path = published_file({"0.1": 50.0}, categories={"cat": 1.0}, ways=ways)
    done = reproduce("paper.spair.row", "--published", path)
    assert "Unknown rule 'pck-of-tomorrow'" in done.output
    shown = reproduce("--list", "--published", path)
    assert shown.exit_code == 0
    assert "no rule pck-of-tomorrow" in shown.stdout


def test_a_published_number_is_not_measured_with_another_model(reproduce, published_file):
    path = published_file({"0.1": 50.0})
    refused = reproduce("paper.spair.row", "--published", path, "--model", "constant")
    assert refused.exit_code == 1
    assert "constant is another model" in refused.output
    refused = reproduce("paper.spair.row", "--published", path, "--dataset", "cub")
    assert refused.exit_code == 2
    assert "for --list" in refused.output


def line(published, here, *, is_average, of="a", alpha=0.1):
    return Line(of, alpha, "all", published, here, 0.5, is_average)


def test_one_of_several_averages_has_to_agree_and_every_category():
    other, own = (
        line(55.6, here, is_average=True, of=of) for here, of in ((56.2, "a"), (55.4, "b"))
    )
    assert agree([other, own])
    assert not agree([other])
    assert not agree([own, line(10.0, 10.6, is_average=False)])
    assert not agree([own, line(30.0, 29.0, is_average=True, alpha=0.05)])
    assert not line(10.0, None, is_average=False).within
    assert line(10.0, 10.5, is_average=False).within


def test_a_measure_names_at_least_one_way():
    with pytest.raises(ValueError, match="ways"):
        Measure(dataset="spair", ways=(), tolerance=1, category_tolerance=1)
    assert (
        str(Way(rule="r", average="point", over="mean")) == "r, per point, mean of the categories"
    )
