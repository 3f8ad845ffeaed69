"""What data sets are called where people read: SPair-71k, not the name that commands take."""

from collections.abc import Iterable, Mapping

from kapbench.running.results import DatasetCard

# By the name that run cards and commands use. The benchmark's own spelling.
_NAMES: Mapping[str, str] = {
    "spair": "SPair-71k",
    "spair.small": "SPair-71k small",
    "spair-u": "SPair-U",
    "soco.intra": "SOCO intra-category",
    "soco.cross": "SOCO cross-category",
    "pf-pascal": "PF-PASCAL",
    "pf-willow": "PF-WILLOW",
    "willow": "WILLOW-ObjectClass",
    "cub": "CUB-200-2011",
    "cub.demystifying": "CUB-200-2011, pairs of Demystifying",
    "ap-10k.intra": "AP-10K intra-species",
    "ap-10k.cross-species": "AP-10K cross-species",
    "ap-10k.cross-family": "AP-10K cross-family",
    "ap-10k.intra.geoaware": "AP-10K intra-species, pairs of GeoAware-SC",
    "ap-10k.cross-species.geoaware": "AP-10K cross-species, pairs of GeoAware-SC",
    "ap-10k.cross-family.geoaware": "AP-10K cross-family, pairs of GeoAware-SC",
    "mp-100": "MP-100, pairs of MARCO",
    "animal-pose": "Animal-Pose",
    "awa-pose": "AwA-Pose",
    "awa-pose.demystifying": "AwA-Pose, pairs of Demystifying",
    "tss": "TSS",
    "freiburg-cars": "Freiburg static cars",
    "synthetic": "Synthetic",
    "synthetic.small": "Synthetic small",
    "synthetic.large": "Synthetic large",
}


def display_name(dataset: str) -> str:
    """Of a data set by its name in a run card; a name that is not known stays as it is."""
    return _NAMES.get(dataset, dataset)


def display_name_of(data: DatasetCard) -> str:
    """As `display_name`, with what was changed in the data set: SPair-71k (reverse)."""
    return with_alterations(display_name(data.name), data.alterations)


def with_alterations(name: str, alterations: Iterable[str]) -> str:
    """A data set's name with what was changed in it."""
    changes = ", ".join(alterations)
    return f"{name} ({changes})" if changes else name
