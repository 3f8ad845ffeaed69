"""Which runs are of the controls that kapbench ships: by what the model is, never by its name alone."""

from functools import cache

from kapbench.models.controls import Constant, Pixels, Random
from kapbench.models.reference_models import NeverSilent, Oracle, PartBlind, SideBlind, TwinTrap
from kapbench.protocols import model_info
from kapbench.running.results import ModelCard, RunCard

_CONTROLS = (Random, Constant, Pixels, Oracle, SideBlind, PartBlind, TwinTrap, NeverSilent)
NAMES = tuple(control.name for control in _CONTROLS)


@cache
def shipped_controls() -> dict[str, ModelCard]:
    """Each control's model card with its default options, by name."""
    infos = [model_info(control()) for control in _CONTROLS]
    return {i.name: ModelCard.model_validate(i, from_attributes=True) for i in infos}


def is_control(run: RunCard) -> bool:
    """Whether a run is of a control, with any seed. Others of the same name are models like any."""
    card = shipped_controls().get(run.model.name)
    if card is None:
        return False
    known = card.model_copy(update={"options": run.model.options})
    if card.name == Random.name and run.model.revision.startswith(_without_seed(card.revision)):
        known = known.model_copy(update={"revision": run.model.revision})
    return run.model == known


def is_oracle(run: RunCard) -> bool:
    """Whether a run is of the control `oracle`, whose scores are the highest that a rule allows."""
    return run.model.name == Oracle.name and is_control(run)


def _without_seed(revision: str) -> str:
    """Of `random`, whose revision ends in its seed."""
    return revision.rstrip("0123456789")
