"""The kinds of cases, in the order in which the campaign runs them."""

from campaign import peeking_models
from campaign.case import Kind

KINDS: tuple[Kind, ...] = (peeking_models,)
