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
    xy: Float[Tensor, "b n 2"]  # in cells; for released triplets see `positions`
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
        xy=positions(row, column, views.grid, settings.losses).to(device),
        category=views.category[image].to(device),
        azimuth_bin=views.azimuth_bin[image, view].to(device),
    )


def positions(
    row: Int[Tensor, "b n"], column: Int[Tensor, "b n"], grid: int, constants: Losses
) -> Float[Tensor, "b n 2"]:
    """Column and row of tokens; as released row and column, in a unit square.

    Their order decides which of two mirrored spheres is learnt, and the released numbers, rounded
    in float32, which of two equal distances is the shorter one.
    """
    if not constants.released_triplets:
        return torch.stack([column, row], -1).float()
    axis = torch.linspace(0, 1, grid)
    return torch.stack([axis[row], axis[column]], -1)


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

    Images with fewer than 3 object tokens have no triplets, and those without object tokens no
    viewpoint. With `released_triplets` all images count, ties count, and orientation and distance
    have triplets of their own, as in the released code. `bf16` is for the networks' products alone:
    points and losses are float32.
    """
    faster = torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=bf16)
    with faster:
        points = mapper(batch.tokens)
    drawn = _draw(batch, constants, generator).to(points.device)
    single, *triplets = torch.split(drawn, _n_drawn(constants), dim=1)
    n_object = batch.on_object.sum(1)
    seen = (n_object > 0).float()[:, None].expand(single.shape)
    if not constants.decoded_tokens:
        single = torch.arange(points.shape[1], device=points.device).expand(len(points), -1)
        seen = batch.on_object.float()
    with faster:
        decoded = decoder(_pick(points, single), batch.category)
    as_released = constants.released_triplets
    shape = (len(points), constants.triplets, 3, -1)
    first, last = (
        (_pick(points, drawn).reshape(shape), _pick(batch.xy, drawn).reshape(shape))
        for drawn in (triplets[0], triplets[-1])
    )
    enough = n_object >= (1 if as_released else 3)
    counted = enough.float()[:, None].expand(-1, constants.triplets)
    directions = losses.mean_points(points, batch.on_object)
    has_view = (n_object > 0) | as_released
    return torch.stack(
        [
            losses.reconstruction(decoded, _pick(batch.tokens, single), seen),
            losses.relative_distance(*first, counted, constants.margin, ties=as_released),
            losses.orientation(*last, counted, constants.min_determinant),
            losses.viewpoint(directions, torch.where(has_view, batch.azimuth_bin, -1)),
        ]
    )


def _n_drawn(constants: Losses) -> list[int]:
    """Tokens drawn from each image: those decoded, then those of one or two sets of triplets."""
    n_sets = 2 if constants.released_triplets else 1
    return [constants.decoded_tokens, *[3 * constants.triplets] * n_sets]


def _draw(batch: Batch, constants: Losses, generator: torch.Generator) -> Int[Tensor, "b n_drawn"]:
    """Drawn on the CPU: the same seed gives the same draws on any device."""
    n_drawn = sum(_n_drawn(constants))
    return losses.draw_tokens(batch.on_object.cpu(), n_drawn, generator)


def weighted(values: Float[Tensor, "4"], constants: Losses) -> Float[Tensor, ""]:
    weights = [getattr(constants, name) for name in NAMES]
    return (values * values.new_tensor(weights)).sum()


def _pick(values: Float[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    return torch.gather(values, 1, index[..., None].expand(-1, -1, values.shape[-1]))
