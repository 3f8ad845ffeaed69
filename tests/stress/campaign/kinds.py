"""The kinds of cases: every module of this folder that has a NAME, in alphabetical order."""

from importlib import import_module
from pkgutil import iter_modules
from typing import cast

import campaign
from campaign.case import Kind

_COMMAND = ("__main__", "kinds")  # these import this module
_MODULES = [
    import_module(f"campaign.{module.name}")
    for module in iter_modules(campaign.__path__)
    if module.name not in _COMMAND
]
KINDS = tuple(cast("Kind", module) for module in _MODULES if hasattr(module, "NAME"))
