"""The kinds of cases, in the order in which the campaign runs them."""

from campaign import kills, mutations
from campaign.case import Kind

KINDS: tuple[Kind, ...] = (kills, mutations)
