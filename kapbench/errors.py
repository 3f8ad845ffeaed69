"""The exception for mistakes that the user can correct, and words of its messages."""


class KapbenchError(Exception):
    """A mistake in the input that the user can correct.

    The command line prints the message without a traceback and exits with status 1.

    `thing` and `fix` begin with a capital letter (unless with the name of an option, attribute,
    file, package or model) and have no final full stop.

    Args:
        thing: What is wrong, as a sentence ("The photograph cannot be read").
        place: Where it is wrong: a path, a name, a line or a key.
        fix: What to do about it, as a sentence ("Fetch it again").
    """

    def __init__(self, thing: str, place: object = None, fix: str | None = None) -> None:
        self.thing, self.place, self.fix = thing, place, fix
        super().__init__(thing, place, fix)

    def __str__(self) -> str:
        place = "" if self.place is None else f"\n  at:  {self.place}"
        return f"{self.thing}{place}" + ("" if self.fix is None else f"\n  fix: {self.fix}")


def counted(number: int, noun: str) -> str:
    """1 image, 2 images, 1 category, 2 categories."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def with_article(noun: str) -> str:
    """a list, an ndarray."""
    vowel = noun[:1].lower() in "aeiou" or noun == "ndarray"
    return f"{'an' if vowel else 'a'} {noun}"
