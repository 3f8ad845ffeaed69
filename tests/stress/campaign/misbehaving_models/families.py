"""Every misbehaviour by its family. The test suite runs one case of each of the first."""

from campaign.misbehaving_models import endings, returned, reused, state
from campaign.misbehaving_models.attack import Attack

_FIRST = ("exit", "signal", "scale", "value", "buffer", "write", "message", "state")
_ALL: dict[str, list[Attack]] = {
    name: list(attacks)
    for part in (endings, returned, reused, state)
    for name, attacks in part.FAMILIES
}
FAMILIES = {name: _ALL[name] for name in (*_FIRST, *(n for n in _ALL if n not in _FIRST))}
