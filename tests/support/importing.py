"""Optional libraries of the adapters' tests."""

import pytest


def imported_timm():
    """Skips the test where timm, or a torchvision that belongs to this torch, is not there."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"needs the extra timm: {error}")
    return timm
