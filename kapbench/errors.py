"""The one exception that a user is meant to read."""


class KapbenchError(Exception):
    """A mistake in the input that the user can mend.

    The message names the thing, the place and the fix; the command line prints it without a
    traceback and exits with status 1.

    Args:
        thing: What is wrong, in words ("truncated JPEG").
        place: Where: a path, a name, a line or key.
        fix: What to do about it.
    """

    def __init__(self, thing: str, place: object = None, fix: str | None = None) -> None:
        self.thing, self.place, self.fix = thing, place, fix
        super().__init__(thing, place, fix)

    def __str__(self) -> str:
        place = "" if self.place is None else f"\n  at:  {self.place}"
        return f"{self.thing}{place}" + ("" if self.fix is None else f"\n  fix: {self.fix}")
