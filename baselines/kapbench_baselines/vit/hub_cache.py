"""Whether weights of the hub are on this machine."""

from kapbench.errors import KapbenchError

UNLOADABLE = "The weights cannot be loaded"


def check_cached(hub: str, file: str | None, *, fix: str) -> None:
    """Before transformers is imported, which takes seconds.

    Args:
        file: Of the repository; None: that of its configuration.

    Raises:
        KapbenchError: nothing may be downloaded, and the file is not in the hub's cache.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if constants.HF_HUB_OFFLINE:
        cached = try_to_load_from_cache(hub, file or "config.json")
        if not isinstance(cached, str):
            raise KapbenchError(f"{UNLOADABLE}: they are not on this machine", place=hub, fix=fix)
