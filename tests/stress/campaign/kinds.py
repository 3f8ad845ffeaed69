"""The kinds of cases, in the order in which the campaign runs them."""

from campaign import misbehaving_models
from campaign.case import Kind

KINDS: tuple[Kind, ...] = (misbehaving_models,)
