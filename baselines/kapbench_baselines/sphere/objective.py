"""One batch to one number: draws tokens, maps them, adds up the weighted losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kapbench_baselines.sphere import losses
from kapbench_baselines.sphere.settings import NAMES, Losses, Settings
from kapbench_baselines.sphere.views import TokenViews


@dataclass(frozen=True)
class Batch:
    tokens: Float[Tensor, "b n c"]
    on_object: Bool[Tensor, "b n"]
    xy: Float[Tensor, "b n 2"]  # in cells
    category: Int[Tensor, "b"]
    azimuth_bin: Int[Tensor, "b"]


def draw_batch(
    views: TokenViews, settings: Settings, generator: torch.Generator, device: torch.device
) -> Batch:
    """Random images without repetition, one random view of each, a random part of its tokens."""
    n_images, n_views, n_tokens, _ = views.tokens.shape
    image = torch.randperm(n_images, generator=generator)[: settings.batch]
    shape = (len(image),)
    apart = 2 if views.mirrors else 1
    view = torch.randint(n_views // apart, shape, generator=generator) * apart
    mirrored = torch.randint(2, shape, generator=generator)
    view += mirrored * (settings.augmentation.mirror and views.mirrors)
    order = torch.rand(len(image), n_tokens, generator=generator).argsort(1)
    kept = order[:, : settings.tokens]
    row, column = kept // views.grid, kept % views.grid
    return Batch(
        tokens=views.tokens[image[:, None], view[:, None], kept].to(device, torch.float32),
        on_object=(views.coverage[image[:, None], view[:, None], kept] > 0.5).to(device),
        xy=torch.stack([column, row], -1).float().to(device),
        category=views.category[image].to(device),
        azimuth_bin=views.azimuth_bin[image, view].to(device),
    )


def terms(
    batch: Batch,
    mapper: Callable[[Tensor], Tensor],
    decoder: Callable[[Tensor, Tensor], Tensor],
    constants: Losses,
    generator: torch.Generator,
    *,
    bf16: bool = False,
) -> Float[Tensor, "4"]:
    """The unweighted losses in the order of NAMES.

    Images with fewer than 3 object tokens have no triplets. `bf16` is for the networks' products
    alone: points and losses are float32.
    """
    faster = torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=bf16)
    with faster:
        points = mapper(batch.tokens)
    n_object = batch.on_object.sum(1)
    # Drawn on the CPU: the same seed gives the same draws on any device.
    drawn = losses.draw_tokens(
        batch.on_object.cpu(), constants.decoded_tokens + 3 * constants.triplets, generator
    ).to(points.device)
    single, triple = (drawn[:, : constants.decoded_tokens], drawn[:, constants.decoded_tokens :])
    seen = (n_object > 0).float()[:, None].expand(single.shape)
    if not constants.decoded_tokens:
        single = torch.arange(points.shape[1], device=points.device).expand(len(points), -1)
        seen = batch.on_object.float()
    with faster:
        decoded = decoder(_pick(points, single), batch.category)
    shape = (len(points), constants.triplets, 3, -1)
    corners = _pick(points, triple).reshape(shape)
    corners_xy = _pick(batch.xy, triple).reshape(shape)
    counted = (n_object >= 3).float()[:, None].expand(corners.shape[:2])
    directions = losses.mean_points(points, batch.on_object)
    azimuth_bin = torch.where(n_object > 0, batch.azimuth_bin, -1)
    return torch.stack(
        [
            losses.reconstruction(decoded, _pick(batch.tokens, single), seen),
            losses.relative_distance(corners, corners_xy, counted, constants.margin),
            losses.orientation(corners, corners_xy, counted, constants.min_determinant),
            losses.viewpoint(directions, azimuth_bin),
        ]
    )


def weighted(values: Float[Tensor, "4"], constants: Losses) -> Float[Tensor, ""]:
    weights = [getattr(constants, name) for name in NAMES]
    return (values * values.new_tensor(weights)).sum()


def _pick(values: Float[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    return torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[-1]))
