"""kapbench: evaluation of semantic correspondence by KAP and PCK. Names load on first use."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kapbench.arrays import kap, pck
    from kapbench.errors import KapbenchError
    from kapbench.evaluation import evaluate
    from kapbench.loading import load_dataset, load_model
    from kapbench.matching.match_images import match
    from kapbench.matching.matches import Matches
    from kapbench.models.letterbox import letterboxed
    from kapbench.models.saved_maps import save_features, save_similarity
    from kapbench.running.compare_runs import compare, corruption_drops, table, to_latex
    from kapbench.running.result_set import ResultSet
    from kapbench.scoring.rules import load_rule, rule_names
    from kapbench.types import FeatureMap, Grid, Keypoints, Pair, Picture, SimilarityMap, View

    __version__: str

_MODULES = {
    "kap": "arrays",
    "pck": "arrays",
    "KapbenchError": "errors",
    "evaluate": "evaluation",
    "load_dataset": "loading",
    "load_model": "loading",
    "match": "matching.match_images",
    "Matches": "matching.matches",
    "letterboxed": "models.letterbox",
    "save_features": "models.saved_maps",
    "save_similarity": "models.saved_maps",
    "compare": "running.compare_runs",
    "corruption_drops": "running.compare_runs",
    "table": "running.compare_runs",
    "to_latex": "running.compare_runs",
    "ResultSet": "running.result_set",
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
    "Matches",
    "Pair",
    "Picture",
    "ResultSet",
    "SimilarityMap",
    "View",
    "__version__",
    "compare",
    "corruption_drops",
    "evaluate",
    "kap",
    "letterboxed",
    "load_dataset",
    "load_model",
    "load_rule",
    "match",
    "pck",
    "rule_names",
    "save_features",
    "save_similarity",
    "table",
    "to_latex",
]


def __getattr__(name: str) -> Any:
    import importlib
    import importlib.metadata

    if name == "__version__":
        return importlib.metadata.version("kapbench")
    if name not in _MODULES:
        raise AttributeError(f"module 'kapbench' has no attribute '{name}'")
    return getattr(importlib.import_module(f"kapbench.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
