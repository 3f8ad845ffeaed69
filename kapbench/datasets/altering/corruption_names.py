"""Which corruptions there are, and how one is named: fog:3. Imports nothing heavy, for --help."""

from kapbench.errors import KapbenchError, unknown

CORRUPT = "corrupt"  # the option
# As Hendrycks and Dietterich (2019) name them.
KINDS: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "fog", "brightness"),
    "digital": ("contrast", "jpeg_compression", "pixelate", "saturate"),
}
NAMES = tuple(name for names in KINDS.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)


def parse_corruption(text: str) -> tuple[str, int]:
    """Name and severity of `fog:3`. KapbenchError for another text."""
    corruptions = parse_corruptions(text)
    if len(corruptions) > 1:
        raise KapbenchError(
            f"{text}: a run has one corruption",
            place="--corrupt NAME:SEVERITY",
            fix="Give one severity, or use kapbench sweep for several",
        )
    return corruptions[0]


def parse_corruptions(text: str) -> list[tuple[str, int]]:
    """Name and severity of each of `fog:1,3,5`.

    Raises:
        KapbenchError: no such corruption or severity, or a severity twice.
    """
    name, colon, severities = text.partition(":")
    if name not in NAMES:
        raise unknown("corruption", name, NAMES, place="--corrupt NAME:SEVERITY")
    known = {str(severity): severity for severity in SEVERITIES}
    if not colon:
        raise KapbenchError(
            f"{name} has no severity",
            place="--corrupt NAME:SEVERITY",
            fix=f"Write {name}:1 to {name}:{SEVERITIES[-1]}",
        )
    listed = severities.split(",")
    if len(set(listed)) < len(listed) or not set(listed) <= known.keys():
        raise KapbenchError(
            f"{text}: the severity is a number from 1 to 5",
            place="--corrupt NAME:SEVERITY",
            fix=f"Write {name}:3, or for kapbench sweep {name}:1,3,5",
        )
    return [(name, known[severity]) for severity in listed]
