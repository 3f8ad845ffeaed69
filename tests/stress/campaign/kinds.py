"""The kinds of cases, in the order in which the campaign runs them."""

from campaign.case import Kind

KINDS: tuple[Kind, ...] = ()
