"""Losses on points of tokens. `counted` marks tokens that count; no token counted gives 0."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

Logits = Float[Tensor, "b n m"]


def closeness(one: Float[Tensor, "b n d"], two: Float[Tensor, "b m d"], *, sphere: bool) -> Logits:
    """Cosine of unit points, or minus the squared distance."""
    products = one @ two.transpose(1, 2)
    if sphere:
        return products
    return 2 * products - one.square().sum(-1)[:, :, None] - two.square().sum(-1)[:, None]


def expected_distance(
    logits: Logits,
    one_xy: Float[Tensor, "b n 2"],
    two_xy: Float[Tensor, "b m 2"],
    counted: Bool[Tensor, "b n"],
) -> Float[Tensor, ""]:
    """How far a token's match is from itself: distance in the image, expected under the softmax.

    Thewlis, Bilen, Vedaldi 2017, *Unsupervised learning of object frames by dense equivariant image
    labelling*, Sec. 3: the probabilistic formulation.
    """
    share = torch.softmax(logits, dim=-1)
    distance = torch.cdist(one_xy, two_xy)
    return _mean((share * distance).sum(-1), counted)


def expected_distance_through(
    one: Float[Tensor, "b n d"],
    auxiliary: Float[Tensor, "b m d"],
    two: Float[Tensor, "b k d"],
    one_xy: Float[Tensor, "b n 2"],
    two_xy: Float[Tensor, "b k 2"],
) -> Float[Tensor, ""]:
    """Expected square root of the distance between a token and its match by way of another image.

    Thewlis, Albanie, Bilen, Vedaldi 2019, *Unsupervised learning of landmarks by descriptor vector
    exchange*: each vector is replaced by the mean of the auxiliary image's vectors under its softmax,
    and that is matched. Vectors are free, as with `normalize_vectors` false in the released configs
    (model/loss.py of github.com/jamt9000/DVE).
    """
    exchanged = torch.softmax(one @ auxiliary.transpose(1, 2), dim=-1) @ auxiliary
    shares = torch.softmax(exchanged @ two.transpose(1, 2), dim=-1)
    distances = torch.cdist(one_xy, two_xy, compute_mode="donot_use_mm_for_euclid_dist")
    return (shares * distances.sqrt()).sum(-1).mean()


def contrast(logits: Logits, answer: Tensor, counted: Bool[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Cross-entropy of each token's softmax over the other's tokens with its match, [b n] indices."""
    lost = functional.cross_entropy(logits.transpose(1, 2), answer, reduction="none")
    return _mean(lost, counted)


def mutual_matches(
    one: Float[Tensor, "b n c"],
    two: Float[Tensor, "b m c"],
    one_on: Bool[Tensor, "b n"],
    two_on: Bool[Tensor, "b m"],
) -> tuple[Tensor, Bool[Tensor, "b n"]]:
    """Index of each token's nearest in the other image by cosine, and whether that is mutual."""
    similar = functional.normalize(one, dim=-1) @ functional.normalize(two, dim=-1).transpose(1, 2)
    similar = similar.masked_fill(~(one_on[:, :, None] & two_on[:, None]), -2.0)
    forward, back = similar.argmax(2), similar.argmax(1)
    mutual = torch.gather(back, 1, forward) == torch.arange(one.shape[1], device=one.device)
    return forward, mutual & one_on & torch.gather(two_on, 1, forward)


def reconstruction(
    atlas: Float[Tensor, "b c s s"],
    points: Float[Tensor, "b n 2"],
    tokens: Float[Tensor, "b n c"],
    counted: Bool[Tensor, "b n"],
) -> Float[Tensor, ""]:
    """1 − cosine of a token with what the category's atlas holds at its point in (−1, 1)²."""
    read = functional.grid_sample(atlas, points[:, None], align_corners=True)[:, :, 0]
    return _mean(1 - functional.cosine_similarity(read.transpose(1, 2), tokens, dim=-1), counted)


def variation(
    points: Float[Tensor, "b t d"], on_object: Bool[Tensor, "b t"], grid: int
) -> Float[Tensor, ""]:
    """Mean absolute step between neighbours on the object, of whole views (t = grid²)."""
    field = points.reshape(len(points), grid, grid, -1)
    on = on_object.reshape(len(points), grid, grid)
    down = (field[:, 1:] - field[:, :-1]).abs().sum(-1)
    right = (field[:, :, 1:] - field[:, :, :-1]).abs().sum(-1)
    return (_mean(down, on[:, 1:] & on[:, :-1]) + _mean(right, on[:, :, 1:] & on[:, :, :-1])) / 2


def _mean(values: Tensor, counted: Tensor) -> Float[Tensor, ""]:
    return (values * counted).sum() / counted.sum().clamp_min(1)
