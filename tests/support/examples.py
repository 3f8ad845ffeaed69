"""How many cases hypothesis draws for a law: a quarter where only the quick tests run."""

import pytest
from hypothesis import settings

_ALL, _QUICK = 100, 25  # of a law that says no number


def load(config: pytest.Config) -> None:
    """Before the tests are imported. A profile that was asked for is loaded already."""
    if config.option.markexpr == "not slow" and not config.getoption("--hypothesis-profile", None):
        settings.register_profile("quick", settings.default, max_examples=_QUICK)
        settings.load_profile("quick")


def examples(n: int) -> settings:
    """For a law that is tested with n cases when all tests run."""
    return settings(max_examples=max(2, n * settings.default.max_examples // _ALL), deadline=None)
