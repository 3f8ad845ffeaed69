"""Published backbones by name: one factory over `preset_table`, whichever library runs them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kapbench.errors import KapbenchError
from kapbench_baselines.vit import preset_checkpoints
from kapbench_baselines.vit import weights as weight_files
from kapbench_baselines.vit.checkpoint import hub_advice
from kapbench_baselines.vit.facets import Facet
from kapbench_baselines.vit.frozen_vit import FrozenViT
from kapbench_baselines.vit.hub_cache import check_cached
from kapbench_baselines.vit.huggingface import HEADS, HuggingFace
from kapbench_baselines.vit.preset_table import PRESETS, Preset
from kapbench_baselines.vit.processor import Normalisation
from kapbench_baselines.vit.timm_models import Timm

BY_ATTRIBUTE = {preset.attribute: preset for preset in PRESETS.values()}
PREDICTOR = ("predictor.",)  # of V-JEPA 2: no feature is read from it


def factory(preset: Preset) -> Callable[..., Any]:
    """What makes the encoder; its parameters are the options that a user may choose."""
    if preset.family.library == "transformers":
        return partial(HubPreset, preset)
    if preset.family.library == "timm":
        return partial(Timm, preset)
    checkpoint = preset_checkpoints.checkpoint(preset)
    return partial(FrozenViT, checkpoint, layer=preset.layer, image_px=preset.image_px)


def __getattr__(name: str) -> Callable[..., Any]:
    """An entry point asks for `sam_vitb16`; its module need not list what the table does."""
    if name not in BY_ATTRIBUTE:
        raise AttributeError(name)
    return factory(BY_ATTRIBUTE[name])


class HubPreset(HuggingFace):
    """A published model of transformers.

    Args:
        preset: Its row.
        weights: A folder with config.json and *.safetensors; None: the hub's.
        layer: As of `HuggingFace`, as are the others.
        image_px: Side of the letterbox; None: the preset's.

    Raises:
        KapbenchError: transformers or the weights are missing, the weights are those of another
            model, or the options do not fit the network.
    """

    def __init__(
        self,
        preset: Preset,
        weights: str | None = None,
        layer: int | None = None,
        facet: Facet = "token",
        image_px: int | None = None,
        padding: str = "centre-black",
        device: str = "cpu",
        normed: bool = False,
    ) -> None:
        layer = preset.layer if layer is None else layer
        self.choose(preset.name, device, layer, facet, padding, normed)
        side = preset.image_px if image_px is None else int(image_px)
        self.publish(preset, side)
        net, origin = _opened(preset, weights)
        self.take(net, Normalisation(1 / 255, *preset.family.levels, side), side)
        _check_config(preset, self._net.config, weights or preset.source)
        self.declare(origin)


def _opened(preset: Preset, weights: str | None) -> tuple[Any, str]:
    """The network in float32, and what tells these weights from others."""
    if weights is None:
        check_cached(preset.source, None, fix=_whereabouts(preset))
    kind = getattr(weight_files.imported(preset.name), preset.family.kind)
    unused = (*HEADS, *PREDICTOR)
    if weights is None:
        net = weight_files.from_hub(kind, preset.source, fix=_whereabouts(preset), unused=unused)
        return net, weight_files.state_hash(net)
    folder = Path(weights).expanduser()
    weight_files.check_folder(folder, binary=False)
    model_type = weight_files.read_json(folder / "config.json").get("model_type", "nameless")
    if model_type not in preset.family.model_types:
        raise _another_model(preset, f"These are weights of a {model_type} model", folder)
    with weight_files.quiet():
        net = weight_files.pretrained(
            kind, str(folder), fix="Download the folder again", unused=unused, local_files_only=True
        )
    return net, weight_files.hash_of(folder)


def _check_config(preset: Preset, config: Any, place: object) -> None:
    for key, expected in (("hidden_size", preset.channels), ("patch_size", preset.patch)):
        if (value := getattr(config, key)) != expected:
            words = {"hidden_size": f"{value} channels", "patch_size": f"a patch of {value} px"}
            thing = f"The weights have {words[key]}; {preset.name} has {expected}"
            raise _another_model(preset, thing, place)


def _another_model(preset: Preset, thing: str, place: object) -> KapbenchError:
    return KapbenchError(
        thing, place=place, fix=f"Give {preset.source}, or choose the name that fits the weights"
    )


def _whereabouts(preset: Preset) -> str:
    return (
        f"{hub_advice()}; or download config.json and model.safetensors of "
        f"https://huggingface.co/{preset.source} elsewhere ({preset.licence}; its page shows "
        "each file's sha256), and add -o weights=FOLDER"
    )
