"""Every misbehaviour by its family."""

from campaign.misbehaving_models import endings, returned, state
from campaign.misbehaving_models.attack import Attack

FAMILIES: dict[str, list[Attack]] = {
    name: list(attacks) for part in (endings, returned, state) for name, attacks in part.FAMILIES
}
