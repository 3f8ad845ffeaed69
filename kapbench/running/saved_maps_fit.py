"""Saved maps do not see the images of a data set: whether they were made of corrupted ones is stated."""

from kapbench.datasets.altering.altered import alterations_of
from kapbench.datasets.altering.corrupted import corruption_of
from kapbench.errors import KapbenchError
from kapbench.models.saved_maps import SavedFeatures, SavedSimilarity
from kapbench.models.saved_maps_folder import SETTINGS
from kapbench.protocols import Dataset, Model


def check_corruption(model: Model, dataset: Dataset) -> None:
    """KapbenchError where saved maps are of other images than the data set shows; else nothing."""
    if not isinstance(model, SavedFeatures | SavedSimilarity):
        return
    corruptions = map(corruption_of, alterations_of(dataset))
    shown, stated = next(filter(None, corruptions), None), model.settings.corrupt
    if shown == stated:
        return
    if shown is None:
        fix = f"Add --corrupt {stated}, or correct the file"
    else:
        fix = f'Save maps of the corrupted images, and state {{"corrupt": "{shown}"}} in the file'
    raise KapbenchError(
        f"The saved maps are of {_images(stated)}, and the data set shows {_images(shown)}",
        place=model.directory / SETTINGS,
        fix=fix,
    )


def _images(corruption: str | None) -> str:
    return "clean images" if corruption is None else f"images with {corruption}"
