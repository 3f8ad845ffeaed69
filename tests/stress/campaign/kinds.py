"""The kinds of cases, in the order in which the campaign runs them."""

from campaign import hostile_adapters, hostile_files
from campaign.case import Kind

KINDS: tuple[Kind, ...] = (hostile_files, hostile_adapters)
