"""kapbench: evaluation of semantic correspondence by KAP and PCK. Names load on first use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kapbench.arrays import kap, pck
    from kapbench.errors import KapbenchError
    from kapbench.evaluation import evaluate
    from kapbench.loading import load_dataset, load_model
    from kapbench.running.results import ResultSet
    from kapbench.scoring.rules import load_rule, rule_names
    from kapbench.types import FeatureMap, Grid, Keypoints, Pair, Picture, SimilarityMap, View

_HOME = {
    "kap": "arrays",
    "pck": "arrays",
    "KapbenchError": "errors",
    "ResultSet": "running.results",
    "evaluate": "evaluation",
    "load_dataset": "loading",
    "load_model": "loading",
    "load_rule": "scoring.rules",
    "rule_names": "scoring.rules",
    "FeatureMap": "types",
    "Grid": "types",
    "Keypoints": "types",
    "Pair": "types",
    "Picture": "types",
    "SimilarityMap": "types",
    "View": "types",
}
__all__ = [
    "FeatureMap",
    "Grid",
    "KapbenchError",
    "Keypoints",
    "Pair",
    "Picture",
    "ResultSet",
    "SimilarityMap",
    "View",
    "evaluate",
    "kap",
    "load_dataset",
    "load_model",
    "load_rule",
    "pck",
    "rule_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kapbench' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"kapbench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
