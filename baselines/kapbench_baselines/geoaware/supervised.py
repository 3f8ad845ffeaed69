"""geoaware.supervised: the head trained on keypoints, ours or a released one, over any encoder."""

from pathlib import Path

from kapbench.errors import KapbenchError
from kapbench.protocols import Encoder
from kapbench.storage import file_hash
from kapbench_baselines.aggregation_head.diy_sc import AggregatedEncoder
from kapbench_baselines.aggregation_head.network import AggregationNetwork, released
from kapbench_baselines.training import trained_weights as files
from kapbench_baselines.training.backbones import (
    backbone_of,
    needs_weights,
    open_backbone,
    trained_over,
)
from kapbench_baselines.training.card import MAX_CELLS, MAX_WIDTH
from kapbench_baselines.vit.weights import read_tensors

METHOD = "geoaware.supervised"


def supervised(
    weights: str | None = None,
    backbone: str | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    backbone_weights: str | None = None,
) -> AggregatedEncoder:
    """Telling Left from Right (Zhang et al. 2024): the supervised head, ours or a released one.

    Args:
        weights: A file of `kapbench train geoaware.supervised`, or a released checkpoint (.pth), for
            which the backbone must be named.
        backbone: Of our own files, theirs is the default and no other is taken.
        backbone_weights: Of the backbone itself; none: as it finds them.

    Raises:
        KapbenchError: no weights; a damaged file; another backbone's.
    """
    if weights is None:
        raise needs_weights(
            METHOD,
            dataset,
            ". Or download best_856.PTH of github.com/Junyi42/GeoAware-SC (no licence is stated and "
            "its sha256 is not known here), then add -o weights=best_856.PTH -o backbone=sd_dino.stack",
        )
    path = Path(weights)
    if path.suffix.lower() == ".pth":
        return _of_release(path, backbone, backbone_weights, device, dataset)
    tensors, card, digest = files.load(path, METHOD)
    width_out, widths = card.shape_number("width_out", MAX_WIDTH), card.shape.get("widths", ())
    network = files.build(lambda: AggregationNetwork(widths, width_out), tensors, path, METHOD)
    encoder = backbone_of(card, path, backbone, backbone_weights, device, dataset)
    trained_on = trained_over(card.learnt_from, encoder)
    cells = None if card.shape.get("cells") is None else card.shape_number("cells", MAX_CELLS)
    unit = card.shape_flag("unit", True)
    return with_head(
        encoder, network, digest, device, cells, card.supervision, trained_on, unit=unit
    )


def _of_release(
    path: Path, backbone: str | None, backbone_weights: str | None, device: str, dataset: str | None
) -> AggregatedEncoder:
    if backbone is None:
        raise KapbenchError(
            "A released head does not name the backbone that it was trained on",
            place=path,
            fix="Add -o backbone=NAME: an encoder of the same features, e.g. sd_dino.stack",
        )
    network = released(read_tensors(path), path)
    encoder = open_backbone(backbone, backbone_weights, device, dataset)
    digest = file_hash(path)
    return with_head(encoder, network, digest, device, trained_on="as released", unit=False)


def with_head(
    backbone: Encoder,
    network: AggregationNetwork,
    revision: str,
    device: str,
    cells: int | None = None,
    supervision: str = "keypoints",
    trained_on: str | None = None,
    *,
    unit: bool = True,
) -> AggregatedEncoder:
    """
    Args:
        cells: A side of the maps that the head was trained on; None: it takes those of the
            backbone as they are.
        unit: Whether it was trained on unit features; a released head was not.
    """
    name = f"{METHOD}.{backbone.name}"
    network = network.to(device)
    return AggregatedEncoder(
        name, backbone, network, revision, cells, unit, device, supervision, trained_on
    )
