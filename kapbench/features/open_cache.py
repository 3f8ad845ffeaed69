"""Where the maps of a model are kept while a command needs them, and afterwards."""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kapbench.features.cache import FeatureCache
from kapbench.processes.unfinished import UNFINISHED, temporary_folder
from kapbench.protocols import HasBackbones, Model, ModelInfo


@contextmanager
def open_cache(
    model: Model, info: ModelInfo, root: Path | None, *, is_known: bool = True
) -> Iterator[FeatureCache]:
    """The cache of a model's maps below a cache folder, or in a folder that is removed afterwards.

    Removed are the maps of a model over backbones that does not keep its own: they are as large as
    those of the backbones, which are kept, and are quickly made of them.

    Args:
        info: What the model declares, with the revision that its features are kept by.
        root: None: nothing is kept.
        is_known: False: no other process may take the features of this model for its own.
    """
    keeps = not isinstance(model, HasBackbones) or model.keeps_maps
    if root is not None and is_known and keeps:
        yield FeatureCache.of(info, root)
        return
    with ExitStack() as stack:
        yield FeatureCache.of(info, stack.enter_context(_scratch(root)), root)


@contextmanager
def _scratch(root: Path | None) -> Iterator[Path]:
    """A temporary folder on the disk of the cache, where there is one that can be written."""
    with ExitStack() as stack:
        if root is not None:
            with contextlib.suppress(OSError):
                root.mkdir(parents=True, exist_ok=True)
                yield stack.enter_context(temporary_folder(root, UNFINISHED))
                return
        yield stack.enter_context(temporary_folder())
