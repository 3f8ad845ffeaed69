"""Names of rules that decode by a soft-argmax where a shipped rule decodes by the argmax.

NAME-soft-window7-temperature0.02: over the cells of a window around the argmax alone;
NAME-soft-zeros5-temperature0.02: over all cells, those outside the window of similarity 0;
NAME-soft-kernel17-temperature1: over all cells, under a Gaussian around the argmax;
NAME-soft-whole-temperature0.02: over all cells.
"""

import re
from dataclasses import dataclass
from typing import Any

from kapbench.errors import KapbenchError

AS_WRITTEN = "Write it as in pck-sd-dino-soft-window5-temperature0.04"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_NAME = re.compile(
    rf"(?P<rule>.+)-soft-(?P<kind>window|zeros|kernel|whole)(?P<size>{_NUMBER})?"
    rf"-temperature(?P<temperature>{_NUMBER})"
)


@dataclass(frozen=True, slots=True)
class SoftArgmax:
    """What a name asks for: of which rule, over which cells (`size` in cells), how sharp."""

    rule: str
    kind: str
    size: float | None
    temperature: float

    @property
    def suffix(self) -> str:
        """What follows the rule's name and the decode's key; each soft-argmax has one."""
        size = "" if self.size is None else f"{self.size:g}"
        return f"-soft-{self.kind}{size}-temperature{self.temperature:g}"

    @property
    def choices(self) -> dict[str, Any]:
        """The fields of a `Decode`."""
        choices: dict[str, Any] = {"temperature": self.temperature}
        if self.kind == "kernel":
            return choices | {"kernel": self.size}
        if self.kind == "whole" or self.size is None:
            return choices
        outside = "excluded" if self.kind == "window" else "zero"
        return choices | {"window": int(self.size), "outside": outside}

    @property
    def words(self) -> str:
        of = {
            "window": "over the cells up to {size:g} from the best",
            "zeros": "over all cells, those further than {size:g} from the best of similarity 0",
            "kernel": "over all cells, under a Gaussian of {size:g} cells around the best",
            "whole": "over all cells",
        }
        cells = of[self.kind].format(size=self.size or 0)
        return f"{cells}, temperature {self.temperature:g}"


def soft_argmax_of(name: str) -> SoftArgmax | None:
    """What a rule's name asks for; None where it asks for no soft-argmax.

    Raises:
        KapbenchError: the numbers are not written in their one way, or make no soft-argmax.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    size = None if match["size"] is None else float(match["size"])
    soft = SoftArgmax(match["rule"], match["kind"], size, float(match["temperature"]))
    whole = soft.kind in ("window", "zeros")
    if (size is None) != (soft.kind == "whole") or (whole and size is not None and size % 1):
        _refuse(name, "a window has a whole number of cells, a kernel a number, and whole none")
    if soft.temperature == 0 or size == 0:
        _refuse(name, "0 is neither a size nor a temperature")
    if soft.rule + soft.suffix != name:
        _refuse(name, f"its numbers are written {soft.suffix.removeprefix('-soft-')}")
    return soft


def _refuse(name: str, why: str) -> None:
    raise KapbenchError(f"'{name}' is not the name of a soft-argmax: {why}", fix=AS_WRITTEN)
