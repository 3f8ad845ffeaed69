"""How many images an encoder gets at once: the user's number, or fewer if memory ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kapbench.errors import KapbenchError
from kapbench.progress import Progress
from kapbench.types import FeatureMap, Picture

MakeMaps = Callable[[Sequence[Picture]], list[FeatureMap]]  # one map a picture, checked

CPU, GPU = 4, 32  # a CPU gains nothing from more


@dataclass
class Batches:
    """Encodes in batches of `size`, halved for good whenever the device runs out of memory.

    The default is 4 on a CPU and 32 on a GPU.
    """

    size: int
    progress: Progress

    @classmethod
    def of(cls, batch_size: int | None, device: str, progress: Progress) -> "Batches":
        return cls(batch_size or (CPU if device == "cpu" else GPU), progress)

    def encode(self, make: MakeMaps, pictures: Sequence[Picture]) -> list[FeatureMap]:
        """One map a picture, in order.

        Raises:
            KapbenchError: of `make`; one image alone does not fit into memory.
        """
        maps: list[FeatureMap] = []
        while len(maps) < len(pictures):
            batch = pictures[len(maps) : len(maps) + self.size]
            try:
                maps += make(batch)
            except KapbenchError as error:
                if len(batch) == 1 or not _out_of_memory(error):
                    raise
                self._halve(len(batch))
        return maps

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
