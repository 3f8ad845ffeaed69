"""Whether weights of the hub are on this machine, and may be downloaded."""

from importlib.util import find_spec

from kapbench.errors import KapbenchError

UNLOADABLE = "The weights cannot be loaded"


def is_offline() -> bool:
    """Whether nothing may be downloaded. Without the hub's client False: its import fails later."""
    if find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def check_cached(hub: str, file: str | None, *, fix: str) -> None:
    """Before transformers is imported, which takes seconds.

    Args:
        file: Of the repository; None: that of its configuration.

    Raises:
        KapbenchError: nothing may be downloaded, and the file is not in the hub's cache.
    """
    if is_offline():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(hub, file or "config.json")
        if not isinstance(cached, str):
            raise KapbenchError(f"{UNLOADABLE}: they are not on this machine", place=hub, fix=fix)
