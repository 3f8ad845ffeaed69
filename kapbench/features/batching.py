"""How many images an encoder gets at once: what was asked for, less where memory does not hold it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kapbench.errors import KapbenchError
from kapbench.models.outputs import feature_maps
from kapbench.progress import Progress
from kapbench.protocols import Encoder
from kapbench.types import FeatureMap, Picture

CPU, GPU = 4, 32  # a CPU gains nothing from more


@dataclass
class Batches:
    """Encodes in batches of `size`, halved for good whenever the device runs out of memory.

    Where none is asked for, 4 on a CPU and 32 on a GPU.
    """

    size: int
    progress: Progress

    @classmethod
    def of(cls, asked: int | None, device: str, progress: Progress) -> "Batches":
        return cls(asked or (CPU if device == "cpu" else GPU), progress)

    def encode(self, model: Encoder, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """One map a picture, in order.

        Raises:
            KapbenchError: see `feature_maps`; one image alone is too much.
        """
        found: list[FeatureMap] = []
        while len(found) < len(pictures):
            batch = pictures[len(found) : len(found) + self.size]
            try:
                found += feature_maps(model, batch)
            except KapbenchError as error:
                if len(batch) == 1 or not _out_of_memory(error):
                    raise
                self._halve(len(batch))
        return found

    def _halve(self, tried: int) -> None:
        import torch

        self.size = tried // 2
        torch.cuda.empty_cache()  # what is cached is too small for the next allocation
        self.progress.say(
            f"{tried} images at once do not fit into memory; the batch size is now {self.size}"
        )


def _out_of_memory(error: KapbenchError) -> bool:
    import torch

    return isinstance(error.__cause__, torch.OutOfMemoryError)
