"""What can be fetched, from where, and on which terms."""

from dataclasses import dataclass

from kapbench.registry import unknown


@dataclass(frozen=True, slots=True)
class Source:
    """An archive on its maker's server.

    `sha256` and `size` (bytes) are None where the maker states none: the hash of the first
    download is recorded then, and checked from then on.
    """

    name: str
    title: str
    url: str
    file_name: str
    folder: str  # what it unpacks to, below the data root
    licence: str
    citation: str
    sha256: str | None = None
    size: int | None = None


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="spair",
            title="SPair-71k",
            url="https://cvlab.postech.ac.kr/research/SPair-71k/data/SPair-71k.tar.gz",
            file_name="SPair-71k.tar.gz",
            folder="SPair-71k",
            licence="none stated; its makers ask to be cited "
            "(photographs: Flickr users', by way of PASCAL VOC)",
            citation="Min, Lee, Ponce, Cho: SPair-71k: A Large-scale Benchmark for Semantic "
            "Correspondence. arXiv:1908.10543, 2019",
        ),
    )
}


def source(name: str) -> Source:
    """The source of a data set; the tag of a variant (`spair.small`) does not matter.

    Raises:
        KapbenchError: nothing of this name can be fetched.
    """
    base = name.partition(".")[0]
    if base not in SOURCES:
        raise unknown("source", name, SOURCES, place="kapbench fetch")
    return SOURCES[base]
